"""Bundles: the folder, the card, its measurements, and how they are written."""
