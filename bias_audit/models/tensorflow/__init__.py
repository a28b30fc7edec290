"""Files of Keras and SavedModels. TensorFlow and Keras are imported by the module `framework` only."""
