"""The offline half of Emoserve: trains networks and makes the bundles that the service loads."""
