"""Networks that can be trained, one file an architecture."""
