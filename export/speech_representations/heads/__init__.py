"""Heads on the layers of any frozen speech encoder: what pools them, what learns, and the bundle that is served."""
