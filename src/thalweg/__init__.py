"""Thalweg: a reproducible research harness for training algorithms in TensorFlow."""
