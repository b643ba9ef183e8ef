"""A copy of the project to run an experiment of the bench's own in, so that neither touches the other's results."""

import os
import shutil
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import yaml

ROOT = Path(__file__).parents[1]
PARTS = ("Snakefile", "CITATION.cff", "environment.yml", "workflow", "profiles", "experiments", "reports", "src")
NAME = "bench"


def experiment(seeds: dict[str, int], **changed: Any) -> dict[str, Any]:
    """The article's experiment, on the third snippet alone."""
    article = yaml.safe_load((ROOT / "experiments" / "article.yaml").read_text())
    kept = {key: article[key] for key in ("title", "optimizers", "schedules")}
    return {**kept, "problems": {"sine": {"batch_sizes": [32], "epochs": 500}}, "seeds": seeds, **changed}


@contextmanager
def workspace(content: dict[str, Any]) -> Iterator[Path]:
    """A folder with the project and that experiment in it, for as long as it is needed."""
    with TemporaryDirectory() as folder:
        root = Path(folder)
        for part in PARTS:
            if (ROOT / part).is_dir():
                shutil.copytree(ROOT / part, root / part, ignore=shutil.ignore_patterns("__pycache__", "*.egg-info"))
            else:
                shutil.copy(ROOT / part, root / part)
        (root / "experiments" / f"{NAME}.yaml").write_text(yaml.safe_dump(content, sort_keys=False))
        yield root


def run(root: Path, *command: str) -> None:
    """Run `python -m` something in a workspace; what it prints is shown where it fails."""
    path = f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"
    done = subprocess.run(
        [sys.executable, "-m", *command],
        cwd=root,
        env={**os.environ, "PYTHONPATH": str(root / "src"), "PATH": path},
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    )
    if done.returncode:
        raise RuntimeError(f"{' '.join(command)} failed:\n{done.stdout}")


def snakemake(root: Path, cores: int, *targets: str, config: tuple[str, ...] = ()) -> None:
    run(root, "snakemake", "--cores", str(cores), *targets, "--config", f"experiment={NAME}", *config)
