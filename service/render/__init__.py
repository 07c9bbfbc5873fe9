"""Answers in the forms that clients ask for."""
