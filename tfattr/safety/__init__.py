"""What a stranger's file may do is hold values: it is looked over before TensorFlow, Keras, HDF5, pickle or tar read it."""
