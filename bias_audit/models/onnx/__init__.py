"""ONNX files. ONNX Runtime is imported by the module `session` only."""
