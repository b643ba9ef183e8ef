"""Locks end with their process, and say who holds them."""

import json
import os
import subprocess
import sys

import pytest
from filelock import Timeout

from thalweg.results import locks


def test_a_lock_is_freed_by_its_holders_death_and_names_the_holder(tmp_path):
    file = tmp_path / "some.lock"
    script = (
        "import sys, time; from pathlib import Path; from thalweg.results import locks\n"
        f"locks.acquire(Path({str(file)!r}), 'snakemake --cores 3'); print('held', flush=True); time.sleep(60)"
    )
    holder = subprocess.Popen([sys.executable, "-c", script], stdout=subprocess.PIPE, text=True)
    assert holder.stdout.readline() == "held\n"
    with pytest.raises(Timeout):
        locks.acquire(file, "", timeout=0)
    assert f"process {holder.pid} (snakemake --cores 3), since " in locks.holder(file)
    holder.kill()
    holder.wait()
    locks.acquire(file, "mine", timeout=0)
    assert f"process {os.getpid()} (mine)" in locks.holder(file)
    file.with_suffix(".json").write_text(json.dumps({"process": 1}))
    assert locks.holder(file) == "another process"
