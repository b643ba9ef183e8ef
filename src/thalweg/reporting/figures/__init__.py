"""The figures, one module each; `python -m thalweg.reporting.figures NAME` draws one for every problem."""

NAMES = ("convergence", "convergence_test", "learning_rates", "optimizers", "batch_sizes", "schedules")
"""What can be drawn, in the order in which a report shows it. Importing it loads no drawing library."""
