"""Decoder processes: starting, talking to, watching and replacing them."""
