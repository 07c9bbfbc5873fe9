"""The offline half of Emoserve: corpora, networks, training, evaluation and export to ONNX bundles."""
