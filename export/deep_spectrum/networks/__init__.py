"""The eleven frozen image networks of the Deep Spectrum systems (A7–A18, D3–D4, F14, F15, F22, F23, G6)."""
