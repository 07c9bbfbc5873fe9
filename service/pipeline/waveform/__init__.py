"""From samples to the answers of graphs that take the waveform: windows, emotion, embeddings, denoising."""
