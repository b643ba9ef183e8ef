"""These tests compute with TensorFlow, set up as in a training job on a processor, also where there is a GPU."""

import os

from thalweg.training.engine import settings

os.environ["CUDA_VISIBLE_DEVICES"] = "-1"
settings.start_tensorflow()
