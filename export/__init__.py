"""Offline programs: what trains, converts and checks the models. The service never imports this."""
