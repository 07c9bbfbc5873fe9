"""Making model bundles: a folder with graphs and the card that describes them."""
