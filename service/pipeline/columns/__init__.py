"""The 37 columns of the affect model, and what of them moved an answer."""
