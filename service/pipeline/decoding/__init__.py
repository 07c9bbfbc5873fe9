"""Decoder processes: how they are started, talked to, watched and replaced."""
