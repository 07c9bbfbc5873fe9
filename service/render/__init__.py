"""Rendering of results as JSON, CSV, PNG and FHIR."""
