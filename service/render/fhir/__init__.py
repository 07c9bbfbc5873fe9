"""Results as FHIR resources (``application/fhir+json``): see docs/fhir.md for the mapping."""
