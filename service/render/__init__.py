"""Rendering of results as JSON, CSV, plots and FHIR."""
