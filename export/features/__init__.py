"""Features that are computed, not learnt, and tables of features."""
