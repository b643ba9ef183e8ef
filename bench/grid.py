"""The grid of the third snippet: the article's optimizers, schedules and learning rates over many seeds, by Snakemake
from the start to the finished tables."""

import time

import workspace

WHOLE = {"tuning": 250, "evaluation": 125}
"""188 tuning runs a seed (47 learning rates of 6 optimizers × 4 schedules) and 24 evaluation runs: 50,000 in all."""

TENTH = {"tuning": 25, "evaluation": 13}
RUNS = 50_000


def measure(cores: int, seeds: dict[str, int]) -> tuple[float, int]:
    """Seconds to the finished tables, and the runs that were trained for them."""
    with workspace.workspace(workspace.experiment(seeds)) as root:
        began = time.perf_counter()
        workspace.snakemake(root, cores, "tables")
        seconds = time.perf_counter() - began
        return seconds, sum(1 for _ in root.glob("results/store/??/*.json"))
