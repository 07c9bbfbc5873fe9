"""Tables of features: computing, writing and reading them."""
