"""Credentials: API keys, JSON Web Tokens, and what their owners have used up."""
