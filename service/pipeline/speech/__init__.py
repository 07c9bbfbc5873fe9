"""Sound: who speaks when, windows, and what a speech model says of them."""
