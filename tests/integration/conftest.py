"""Copies of the project to run Snakemake in, as a user does."""

import os
import shutil
import subprocess
import sys
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
PARTS = ("Snakefile", "CITATION.cff", "environment.yml", "workflow", "profiles", "experiments", "reports", "src")

TINY = """\
title: A tiny experiment
problems:
  linear: {batch_sizes: [4, 6], epochs: 20, evaluation_points: 6}
optimizers:
  sgd:  {class: SGD,  learning_rates: 1e-2 .. 1e-1}
schedules:
  constant: {}
seeds: {tuning: 2, evaluation: 6}
"""


@dataclass
class Workspace:
    """A copy of the project, with an experiment `tiny` of one problem and optimizer beside the shipped ones."""

    root: Path

    @property
    def results(self) -> Path:
        return self.root / "results"

    @property
    def tiny(self) -> Path:
        return self.root / "experiments" / "tiny.yaml"

    def start(
        self,
        *arguments: str,
        experiment: str = "tiny",
        config: tuple[str, ...] = (),
        cores: int = 2,
        inside: tuple[str, ...] = (),
        **variables: str,
    ) -> subprocess.Popen:
        """Start Snakemake, by a command `inside` which it is to run if one is given."""
        command = [*inside, sys.executable, "-m", "snakemake", "--cores", str(cores), *arguments]
        return subprocess.Popen(
            [*command, "--config", f"experiment={experiment}", *config],
            cwd=self.root,
            env={**os.environ, "PYTHONPATH": str(self.root / "src"), **variables},
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            start_new_session=True,
        )

    def run(self, *arguments: str, fails: bool = False, **options) -> str:
        """Run Snakemake to its end and return what it printed."""
        process = self.start(*arguments, **options)
        printed, _ = process.communicate()
        assert (process.returncode != 0) == fails, printed
        return printed

    def stored(self) -> dict[str, int]:
        """The finished runs of the store by digest, with the time at which each was written."""
        return {file.stem: file.stat().st_mtime_ns for file in self.results.glob("store/*/*.json")}

    def content(self, experiment: str = "tiny", *without: str) -> dict[str, bytes]:
        """Every file that is to be identical whenever the same experiment is run, by its place in the results."""
        folder = self.results / experiment
        apart = {
            "logs",
            "progress",
            "measured",
            "timings",
            "launch.json",
            "launch.lock",
            "locks",
            "digests",
            "damaged",
            "SHA256SUMS.measured",
            *without,
        }
        return {
            str(place): file.read_bytes()
            for file in sorted(folder.rglob("*"))
            if file.is_file() and file.suffix != ".part"
            if not apart & {*(place := file.relative_to(folder)).parts, place.stem}
        }


@pytest.fixture(scope="session")
def make_workspace(tmp_path_factory) -> Callable[[], Workspace]:
    def make() -> Workspace:
        root = tmp_path_factory.mktemp("project")
        for part in PARTS:
            source = ROOT / part
            if source.is_dir():
                shutil.copytree(source, root / part, ignore=shutil.ignore_patterns("__pycache__", "*.egg-info"))
            else:
                shutil.copy(source, root / part)
        workspace = Workspace(root)
        workspace.tiny.write_text(TINY)
        return workspace

    return make


@pytest.fixture
def workspace(make_workspace) -> Workspace:
    return make_workspace()


@pytest.fixture(scope="session")
def _finished(make_workspace) -> tuple[Workspace, str]:
    workspace = make_workspace()
    return workspace, workspace.run()


@pytest.fixture
def finished(_finished, tmp_path) -> Workspace:
    """A workspace of one's own in which `tiny` has been run."""
    root = tmp_path / "project"
    shutil.copytree(_finished[0].root, root)
    return Workspace(root)


@pytest.fixture
def printed(_finished) -> str:
    """What the first run of `tiny` printed."""
    return _finished[1]
