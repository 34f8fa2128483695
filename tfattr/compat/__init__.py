"""The one place where Keras, TF-Slim, TensorFlow Hub and iNNvestigate are imported, whatever the TensorFlow release."""
