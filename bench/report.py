"""The report of 1,500 cells: what Snakemake takes from their runs to it, and what Chromium does with it."""

import json
import os
import re
import shutil
import subprocess
import time
from collections.abc import Iterator
from pathlib import Path
from resource import RUSAGE_CHILDREN, getrusage
from typing import Any, NamedTuple

import tables
import workspace
import yaml

PROBLEMS = {
    "linear": {"batch_sizes": [1, 2, 3, 4, 6], "epochs": 500},
    "sine": {"batch_sizes": [8, 16, 32, 64, 100], "epochs": 500, "record": ["gradient_noise"]},
    "sine_wide": {"batch_sizes": [8, 16, 32, 64, 128], "epochs": 500},
    "digits_cnn": {"batch_sizes": [32, 64, 128, 256, 512], "epochs": 20},
    "digits_mlp": {"batch_sizes": [16, 32, 64, 128, 256], "epochs": 20},
}
FILES = {"sine_wide": "sine", "digits_mlp": "digits_cnn"}
"""Problems of the bench's own, each with the article's whose file stands for it: what is in it is not run."""

OPTIMIZERS = ("Adadelta", "Adafactor", "Adagrad", "Adamax", "Lion", "Nadam")
"""Six beside the article's."""

SEEDS = {"tuning": 3, "evaluation": 10}
BROWSER = workspace.ROOT / "tests" / "browser"
KIB = 2**10


class Cost(NamedTuple):
    """What Snakemake took from its start to its end, and all its jobs together of the processors."""

    seconds: float
    processor_seconds: float


class Page(NamedTuple):
    """How large a page is, and how long it takes to be loaded and drawn."""

    kib: float
    seconds: float


def experiment() -> dict[str, Any]:
    """5 problems × 12 optimizers × 5 schedules × 5 batch sizes, without a paper; the article's claims stay but that of
    seconds."""
    article = yaml.safe_load((workspace.ROOT / "experiments" / "article.yaml").read_text())
    more = {name.lower(): {"class": name, "learning_rates": "1e-3 .. 1"} for name in OPTIMIZERS}
    linear = {"linear": {"class": "PolynomialDecay", "decay_steps": "100 %", "end_learning_rate": 0.0}}
    claims = {name: claim for name, claim in article["claims"].items() if not claim["measure"].startswith("seconds")}
    return {
        **{name: section for name, section in article.items() if name != "paper"},
        "claims": claims,
        "problems": PROBLEMS,
        "optimizers": {**article["optimizers"], **more},
        "schedules": {**article["schedules"], **linear},
        "seeds": SEEDS,
    }


def make_up(root: Path) -> None:
    """Leave in a workspace what training would have left there."""
    problems = root / "experiments" / "problems"
    for name, like in FILES.items():
        shutil.copy(problems / f"{like}.py", problems / f"{name}.py")
    given = ("--experiment", f"experiments/{workspace.NAME}.yaml", "--results", f"results/{workspace.NAME}")
    tables.ended(root, [str(tables.MAKE_UP), *given], os.cpu_count())


def build(root: Path, cores: int) -> Cost:
    """The report of the runs that are there, with its tables, as a user would have it built."""
    began, before = time.perf_counter(), getrusage(RUSAGE_CHILDREN)
    workspace.snakemake(root, cores, "report", config=("incomplete=yes",))
    seconds, after = time.perf_counter() - began, getrusage(RUSAGE_CHILDREN)
    return Cost(seconds, after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime)


def opened(pages: list[Path]) -> Iterator[Page]:
    """Each page as Chromium opens it from the disk, by the driver of the tests in a browser."""
    seconds = json.loads(node("open.mjs", *pages))
    return (Page(page.stat().st_size / KIB, seconds[str(page)]) for page in pages)


def printed(page: Path) -> int:
    """How many pages of A4 it fills."""
    paper = page.with_suffix(".pdf")
    node("print.mjs", page, paper)
    told = subprocess.run(["pdfinfo", paper], check=True, capture_output=True, text=True).stdout
    return int(re.findall(r"^Pages: +(\d+)$", told, re.MULTILINE)[0])


def node(script: str, *arguments: Path) -> str:
    environment = {**os.environ, "CHROMIUM": shutil.which("chromium") or ""}
    command = ["node", BROWSER / script, *arguments]
    return subprocess.run(command, env=environment, check=True, capture_output=True, text=True).stdout
