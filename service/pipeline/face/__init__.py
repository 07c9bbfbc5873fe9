"""Faces in pictures and in tables: networks, tracker, action units, neutral, and what is kept of each face."""
