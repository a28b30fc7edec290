"""Networks that estimate the foreground of a picture: files of Keras, TFLite and ONNX."""
