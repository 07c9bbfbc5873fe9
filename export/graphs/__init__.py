"""Front ends and networks as ONNX graphs."""
