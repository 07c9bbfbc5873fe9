# Generated from _async/__init__.py by client/unasync.py; do not edit.
"""Blocking half of the client."""
