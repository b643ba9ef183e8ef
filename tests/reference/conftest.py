"""These tests compute with TensorFlow, set up as in a training job."""

from thalweg.training import settings

settings.start_tensorflow()
