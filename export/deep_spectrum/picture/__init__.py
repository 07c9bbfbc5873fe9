"""The picture of the spectrogram as one ONNX graph."""
