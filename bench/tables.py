"""From the shards of 50,000 runs with up to 40 evaluation points each to all tables, in a process of their own."""

import os
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any, NamedTuple

import workspace
import yaml

BATCH_SIZES = {
    "linear": [1, 2, 3, 4, 5, 6],
    "sine": [8, 16, 32, 50, 64, 100],
    "digits_cnn": [16, 32, 64, 128, 256, 512],
}
SEEDS = {"tuning": 10, "evaluation": 38}
"""33,840 tuning runs (47 learning rates × 4 schedules × 18 batch sizes), 16,416 evaluation runs of 432 cells, and 114
runs of reproductions."""

MAKE_UP = Path(__file__).parent / "shards.py"
KIB_IN_GIB = 2**20


class Cost(NamedTuple):
    """What the process took from its start to its end, and its memory at the peak."""

    seconds: float
    gib: float


def experiment() -> dict[str, Any]:
    """The article's experiment with more batch sizes and seeds; its claims and reproductions stay."""
    article = yaml.safe_load((workspace.ROOT / "experiments" / "article.yaml").read_text())
    problems = {name: {**grid, "batch_sizes": BATCH_SIZES[name]} for name, grid in article["problems"].items()}
    return {**article, "problems": problems, "seeds": SEEDS}


def measure(*cores: int) -> Iterator[Cost]:
    """What the tables take on each of these numbers of cores, one after the other, from the same shards."""
    with workspace.workspace(experiment()) as root:
        given = ("--experiment", f"experiments/{workspace.NAME}.yaml", "--results", f"results/{workspace.NAME}")
        ended(root, [str(MAKE_UP), *given], os.cpu_count())
        for number in cores:
            began = time.perf_counter()
            used = ended(root, ["-m", "thalweg.analysis.tables", *given, "--output", "tables"], number)
            yield Cost(time.perf_counter() - began, used.ru_maxrss / KIB_IN_GIB)


def ended(root: Path, command: list[str], cores: int) -> Any:
    """What a Python process used that ran to its end on so many cores; on Linux, where it can be kept to them."""
    process = subprocess.Popen(
        [sys.executable, *command],
        cwd=root,
        env={**os.environ, "PYTHONPATH": str(root / "src")},
        preexec_fn=lambda: os.sched_setaffinity(0, sorted(os.sched_getaffinity(0))[-cores:]),
    )
    _, status, used = os.wait4(process.pid, 0)
    process.returncode = os.waitstatus_to_exitcode(status)
    if process.returncode:
        raise subprocess.CalledProcessError(process.returncode, command)
    return used
