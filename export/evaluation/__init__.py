"""Scoring networks and bundles."""
