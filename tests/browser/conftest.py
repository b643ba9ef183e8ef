"""Reports in a real Chromium, which Playwright drives from the Node scripts beside this file."""

import os
import shutil
import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest

HERE = Path(__file__).parent
PROGRAMS = {"chromium": "Chromium", "node": "Node.js", "npm": "npm", "pdfinfo": "poppler-utils"}
"""What these tests call, each with what is to be installed for it."""


@pytest.fixture(scope="session", autouse=True)
def _installed() -> None:
    """Without a browser these tests are skipped; where changes are accepted, which says CI, they fail."""
    missing = [package for program, package in PROGRAMS.items() if not shutil.which(program)]
    if not (HERE / "node_modules").exists():
        missing.append("by `npm ci` the packages of tests/browser")
    if missing:
        stop = pytest.fail if os.environ.get("CI") else pytest.skip
        stop(f"no report is tested in a browser; install {', '.join(missing)}")


@pytest.fixture(scope="session")
def node() -> Callable[..., str]:
    """Runs one of the scripts and gives what it printed."""

    def run(script: str, *arguments: str | Path) -> str:
        environment = {**os.environ, "CHROMIUM": shutil.which("chromium") or ""}
        command = ["node", HERE / script, *arguments]
        done = subprocess.run(command, cwd=HERE, env=environment, capture_output=True, text=True)
        assert done.returncode == 0, done.stderr
        return done.stdout

    return run
