"""Deep Spectrum: a picture of the spectrogram, an image network, its features."""
