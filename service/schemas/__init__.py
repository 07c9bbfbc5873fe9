"""Pydantic models of every JSON document that the service sends or takes."""
