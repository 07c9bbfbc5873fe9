"""Bags of audio words."""
