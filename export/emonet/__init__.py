"""EmoNet: a residual network with parallel adapters over mel spectrograms."""
