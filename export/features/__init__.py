"""Feature sets that are computed, not learnt."""
