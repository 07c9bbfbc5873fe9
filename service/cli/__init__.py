"""The commands of the console program ``emoserve``, one module each: its flags, and what it does."""
