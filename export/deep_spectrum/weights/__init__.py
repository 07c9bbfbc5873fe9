"""Readers of published weight files: torch, safetensors, ONNX, TFLite, Caffe."""
