"""Arousal and valence from action units: features, model, attribution."""
