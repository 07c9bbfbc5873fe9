"""Metrics and logs, without content."""
