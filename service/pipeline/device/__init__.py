"""Sharing a device: whose turn it is, what runs together, how fast it goes."""
