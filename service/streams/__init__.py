"""WebSocket streams: sound and pictures that are analysed as they arrive."""
