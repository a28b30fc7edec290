"""Run a network. The only folder that imports TensorFlow, and only inside `keras_model` and `training`."""
