"""Affect over time: sequences of action units in, arousal and valence out (E1 to E20)."""
