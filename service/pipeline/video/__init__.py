"""Videos: watching the frames, the sound track, the assembled answer, and streams of frames."""
