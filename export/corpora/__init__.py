"""Reading corpora."""
