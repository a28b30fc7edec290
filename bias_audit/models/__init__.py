"""Loads and runs networks. A framework is imported by the files of its room only: `tensorflow`, `pytorch`, `onnx`."""
