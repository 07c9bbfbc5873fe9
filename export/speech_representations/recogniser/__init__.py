"""The speech recogniser whose layers are reused (B1–B5): trained on transcripts, exported as an embedding."""
