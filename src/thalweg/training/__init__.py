"""How runs are trained: problems, real Keras optimizers and schedules, and one compiled program for a whole run."""
