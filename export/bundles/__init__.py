"""Bundles: graphs with their cards."""
