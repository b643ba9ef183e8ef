"""Damage to what jobs left is found, and nothing else."""

import os
import random
import subprocess
import sys
import time

import pytest
from filelock import FileLock

from thalweg.results import digests
from thalweg.workflow import recovery

CONTENT = {"tables/cells.csv": b"a,b\n1,2\n", "report/cells/one.html": b"<p>one</p>", "report/a file.svg": bytes(99)}


@pytest.fixture
def results(tmp_path):
    """Results of a job of three files, one of them in a folder that it leaves as a whole, and of another job."""
    for name, content in {**CONTENT, "checked.json": b"{}"}.items():
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_bytes(content)
    (tmp_path / "digests").mkdir()
    outputs = [tmp_path / "tables/cells.csv", tmp_path / "report/cells", tmp_path / "report/a file.svg"]
    digests.write(tmp_path / "digests/report.sha256", tmp_path, outputs)
    digests.write(tmp_path / "digests/check.sha256", tmp_path, [tmp_path / "checked.json"])
    return tmp_path


def files(results):
    return {str(file.relative_to(results)): file.read_bytes() for file in results.rglob("*") if file.is_file()}


def test_what_is_whole_is_left_alone(results):
    before = files(results)
    assert recovery.set_aside_damaged(results) == []
    assert {name: content for name, content in files(results).items() if name != "launch.lock"} == before
    assert recovery.set_aside_damaged(results / "nothing") == []
    assert not (results / "nothing").exists()


def test_what_is_dated_ahead_of_the_clock_is_dated_back_in_its_order(results):
    ahead = time.time_ns() + 10**18
    places = ["checked.json", "tables/cells.csv", "report/cells/one.html"]
    for place, name in enumerate(places):
        os.utime(results / name, ns=(ahead, ahead + 10 * place))
    as_it_was = (results / "report/a file.svg").stat().st_mtime_ns
    before = time.time_ns()
    assert recovery.set_aside_damaged(results) == []
    dates = [(results / name).stat().st_mtime_ns for name in places]
    assert before - 10**7 < dates[0] < dates[1] < dates[2] <= time.time_ns()
    assert (results / "report/a file.svg").stat().st_mtime_ns == as_it_was


def test_a_flipped_bit_of_a_file_or_a_record_is_found(results):
    whole = {name: content for name, content in files(results).items() if name != "launch.lock"}
    flips = [(name, bit) for name, content in whole.items() for bit in range(8 * len(content))]
    for name, bit in random.Random(1).sample(flips, 200):
        flipped = bytearray(whole[name])
        flipped[bit // 8] ^= 1 << bit % 8
        (results / name).write_bytes(flipped)
        assert recovery.set_aside_damaged(results) == [
            f"{results / name} is damaged; set aside as {results / 'damaged' / name}, and made again"
        ]
        job = "check" if name in ("checked.json", "digests/check.sha256") else "report"
        assert not (results / f"digests/{job}.sha256").exists(), "the job runs again"
        assert (results / "damaged" / name).read_bytes() == flipped
        (results / "damaged" / name).unlink()
        for restored in (name, f"digests/{job}.sha256"):
            (results / restored).write_bytes(whole[restored])


def test_a_job_whose_file_is_gone_runs_again(results):
    (results / "report/cells/one.html").unlink()
    assert recovery.set_aside_damaged(results) == []
    assert not (results / "digests/report.sha256").exists()
    assert (results / "digests/check.sha256").exists()


def test_nothing_is_touched_while_another_launch_works_on_the_results(results):
    (results / "checked.json").write_bytes(b"half of some")
    with FileLock(results / "launch.lock"):
        script = (
            "from pathlib import Path; from thalweg.workflow import recovery\n"
            f"print(recovery.set_aside_damaged(Path({str(results)!r})))"
        )
        done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True)
    assert done.stdout == "[]\n"
    assert len(recovery.set_aside_damaged(results)) == 1
