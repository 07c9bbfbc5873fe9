"""The parts of following a face: crops, geometry, networks, smoothing, and what is kept of it."""
