"""Recordings of hours in bounded memory."""
