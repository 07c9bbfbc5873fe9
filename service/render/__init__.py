"""Answers as JSON, CSV and pictures."""
