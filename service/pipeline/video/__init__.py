"""The parts of a video's way: its frames, its sound track, what it asks for and what it gives."""
