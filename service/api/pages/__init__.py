"""The served reference: static files without outside assets."""
