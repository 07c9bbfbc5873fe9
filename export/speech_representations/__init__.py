"""Emotion networks on a speech representation that was learnt elsewhere."""
