"""Sound and pictures that are analysed while they arrive over a WebSocket."""
