"""Voice activity: the published detector as a bundle."""
