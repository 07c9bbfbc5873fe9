"""Recorded answers: what the running service says to a fixed set of inputs, so that two versions can be compared.

Everything here goes through public interfaces (HTTP, WebSocket, command line) and imports nothing of ``service``.
"""
