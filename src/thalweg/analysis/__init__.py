"""What the runs say: chosen learning rates, curves, intervals and tables. Reads what training left, never trains."""

TABLES = (
    "runs",
    "cells",
    "curves",
    "diagnostics",
    "rates",
    "targets",
    "arrivals",
    "profiles",
    "scores",
    "scaling",
    "budgets",
    "sensitivity",
    "comparisons",
    "improvements",
    "ranks",
    "claims",
    "factors",
    "schedules",
    "paths",
    "surfaces",
    "reproductions",
    "counts",
    "provenance",
)
"""The tables that are the same bytes whenever they are built from the same results. Importing it loads no pandas."""

MEASURED = "measured"
"""The folder of the other tables: what a clock measured, and what follows from that."""

OF_THE_CLOCK = ("seconds", "timings", "claims_in_seconds")
"""The tables in it."""
