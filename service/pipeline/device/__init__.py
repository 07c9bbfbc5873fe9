"""Sharing a device: sessions, batches, fair turns, admission and accounts."""
