"""Judging recordings in this process: what the command line and the Python interface share."""
