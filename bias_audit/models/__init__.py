"""Loads and runs networks. TensorFlow and Keras are imported in this folder only, by the module `framework`."""
