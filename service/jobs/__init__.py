"""Durable jobs for long recordings."""
