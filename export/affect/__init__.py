"""Affect over time: sequences of action units in, arousal and valence out (section E of the seed systems)."""
