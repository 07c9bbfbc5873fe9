"""Calls that the service makes for a client, to addresses that its operator has named."""
