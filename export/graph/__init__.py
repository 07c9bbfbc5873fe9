"""ONNX graph building that several products share."""
