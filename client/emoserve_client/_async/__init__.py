"""Asynchronous half of the client, written by hand; the blocking half is generated from it."""
