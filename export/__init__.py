"""Offline programs: train, evaluate and export what the service runs."""
