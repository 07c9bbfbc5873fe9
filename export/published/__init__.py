"""Published speech emotion models as bundles: folders of transformers, audEERING's dimensional head, audonnx."""
