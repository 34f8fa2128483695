"""The one place where Keras and TF-Slim are imported, whatever the TensorFlow release."""
