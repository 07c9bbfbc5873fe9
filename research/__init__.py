"""The tables of the Deep Spectrum papers on other corpora (A17, A22–A24, D13–D17)."""
