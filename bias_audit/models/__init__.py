"""Run a network. The only folder that imports TensorFlow, and there only `framework`."""
