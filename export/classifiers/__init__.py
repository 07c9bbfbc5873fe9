"""Linear classifiers on features, and fusions of them (A19–A25, C3, C4, D13–D16)."""
