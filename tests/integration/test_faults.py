"""Faults, injected through the front door: what each of them costs, and that nothing is lost or silently wrong."""

import contextlib
import os
import random
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path

import pandas as pd
import psutil
import pytest

from thalweg.results import store

RUNS = 24
"""Of `tiny`: half of them for tuning, half for evaluation."""

NAMESPACE = ("unshare", "--user", "--map-root-user", "--mount")
"""Begins a command that may mount what it likes, seen by nobody else."""

A_MOUNT = ("mount", "-t", "tmpfs", "none", "/tmp")

mounting = pytest.mark.skipif(
    sys.platform != "linux" or subprocess.run([*NAMESPACE, *A_MOUNT], capture_output=True).returncode != 0,
    reason="this system lets no user mount anything",
)


def jobs_of(process):
    """The processes in which a launch trains, analyses and reports."""
    try:
        children = psutil.Process(process.pid).children(recursive=True)
        return [child for child in children if any(part.startswith("thalweg.") for part in child.cmdline())]
    except psutil.Error:
        return []


def wait_for(found, process):
    """Wait until something is there or the process has ended, and return it."""
    while not (what := found()) and process.poll() is None:
        time.sleep(0.01)
    return what


def kill(process, whom):
    """Kill one of a launch's jobs, Snakemake alone, which leaves its job at work, or all of them at once.

    Returns whether there was such a process.
    """
    jobs = jobs_of(process)
    if process.poll() is not None or (whom == "job" and not jobs):
        return False
    if whom == "job":
        jobs[0].kill()
    elif whom == "Snakemake":
        process.kill()
    else:
        os.killpg(process.pid, signal.SIGKILL)
    process.wait()
    return True


def kill_at_random_moments(workspace, undisturbed, kills, experiment, longest):
    """Give the same command again and again, and kill it up to `longest` seconds after its first job has begun.

    Whenever one comes to its end, its results are held against the undisturbed, and all begins anew. What the last one
    came to is returned.
    """
    moments, killed, stored, launched = random.Random(kills), 0, {}, []
    while killed < kills:
        process = workspace.start(experiment=experiment)
        launched.append(process)
        wait_for(lambda process=process: jobs_of(process), process)
        time.sleep(longest * moments.random() ** 2)
        killed += kill(process, moments.choice(("job", "Snakemake", "all")))
        after = workspace.stored()
        assert {run: after.get(run) for run in stored} == stored, "a finished run is never trained again"
        stored = after
        if process.wait() == 0:
            assert outcome(workspace, experiment) == outcome(undisturbed, experiment)
            stored = begin_anew(workspace, launched)
    workspace.run(experiment=experiment)
    return outcome(workspace, experiment)


def outcome(workspace, experiment):
    """Which runs are stored, and every file of the results but the page of costs, which shows what a clock measured."""
    return workspace.stored().keys(), workspace.content(experiment, "cost")


def begin_anew(workspace, launched):
    for process in launched:
        with contextlib.suppress(ProcessLookupError):
            os.killpg(process.pid, signal.SIGKILL)
    launched.clear()
    shutil.rmtree(workspace.results)
    return {}


def test_killed_at_20_random_moments_the_same_command_finishes_with_the_same_bits(workspace, finished):
    after = kill_at_random_moments(workspace, finished, kills=20, experiment="tiny", longest=7)
    assert after == outcome(finished, "tiny")


@pytest.mark.soak
def test_killed_at_100_random_moments_the_smoke_experiment_ends_with_the_same_bits(make_workspace):
    undisturbed, killed = make_workspace(), make_workspace()
    undisturbed.run(experiment="smoke")
    after = kill_at_random_moments(killed, undisturbed, kills=100, experiment="smoke", longest=15)
    assert after == outcome(undisturbed, "smoke")


def lose_tuning(workspace):
    """As if nothing had been trained yet, but all was checked."""
    shutil.rmtree(workspace.results / "store")
    shutil.rmtree(workspace.results / "tiny/runs/tuning")


def caught_at_tuning(workspace):
    """A launch and its job, suspended when some of its runs were stored and others were not.

    A job that ends before it is caught, as it may where another process keeps this one waiting, is started again.
    """
    while True:
        lose_tuning(workspace)
        launch = workspace.start("--until", "tune")
        assert wait_for(workspace.stored, launch), launch.communicate()[0]
        with contextlib.suppress(psutil.NoSuchProcess, ValueError):
            (job,) = jobs_of(launch)
            job.suspend()
            if len(workspace.stored()) < RUNS // 2:
                return launch, job
            job.resume()
        printed, _ = launch.communicate()
        assert launch.returncode == 0, printed


def test_the_job_of_a_killed_snakemake_is_waited_for_and_no_run_is_trained_twice(finished):
    first, orphan = caught_at_tuning(finished)
    before = finished.stored()
    kill(first, "Snakemake")
    second = finished.start("--until", "tune")
    told = next(line for line in second.stdout if "waiting for it to end" in line)
    assert f"[tuning linear × sgd] process {orphan.pid} (" in told
    orphan.resume()
    printed, _ = second.communicate()
    assert second.returncode == 0, printed
    assert "tiny: 0 runs trained, 12 found in the store" in printed
    after = finished.stored()
    assert len(before) < len(after) == RUNS // 2
    assert {run: after[run] for run in before} == before


def test_a_job_that_the_system_kills_is_told_and_the_same_command_goes_on(finished):
    first, job = caught_at_tuning(finished)
    job.kill()
    printed, _ = first.communicate()
    assert first.returncode != 0
    assert "This job was killed: by someone, or by the system, for want of memory" in printed
    assert "its whole log is results/tiny/logs/tuning/linear/sgd.log" in printed
    there = len(finished.stored())
    assert f"{RUNS // 2 - there} runs trained, {there} found" in finished.run("--until", "tune")


DAMAGED = (
    "checked.json",
    "checks/linear.json",
    "chosen/linear/sgd.json",
    "runs/tuning/linear/sgd/runs.parquet",
    "runs/evaluation/linear/sgd/histories.parquet",
    "runs/evaluation/linear/sgd/measured.parquet",
    "tables/cells.parquet",
    "tables/runs.csv",
    "tables/measured/seconds.parquet",
    "report/index.html",
    "report/style.css",
    "report/cells/linear/sgd-constant-4.html",
    "report/figures/linear/convergence.svg",
    "report/figures/linear/convergence.pdf",
    "report/tables/cells.csv",
    "digests/figures.sha256",
)
"""A file of each kind that jobs leave."""


def test_damaged_outputs_are_found_before_anything_is_made_from_them(finished):
    """Every other one with a flipped bit, its size and times as they were; the others truncated, and all times of other
    files at random."""
    before, stored = finished.content(), finished.stored()
    chance = random.Random(7)
    for file in sorted((finished.results / "tiny").rglob("*")):
        jumped = time.time() + chance.uniform(-1e8, 1e8)
        os.utime(file, (jumped, jumped))
    for place, name in enumerate(DAMAGED):
        file = finished.results / "tiny" / name
        times, content = file.stat(), bytearray(file.read_bytes())
        if place % 2:
            content[chance.randrange(len(content))] ^= 1 << chance.randrange(8)
        else:
            del content[chance.randrange(len(content)) :]
        file.write_bytes(content)
        os.utime(file, ns=(times.st_atime_ns, times.st_mtime_ns))
    printed = finished.run()
    for name in DAMAGED:
        assert f"results/tiny/{name} is damaged; set aside as results/tiny/damaged/{name}, and made again" in printed
    assert f"tiny: 0 runs trained, {RUNS} found in the store" in printed
    assert finished.content() == before
    assert finished.stored() == stored


@mounting
def test_a_disk_that_is_full_loses_nothing_that_was_finished(finished, tmp_path):
    """On a disk of its own, too small at first and then enlarged: once for tuning, once for the rest. It is measured in
    pages, of which a file takes whole ones: they are of 4 KiB on one processor, and of 64 KiB on another."""
    lose_tuning(finished)
    script = tmp_path / "launches"
    script.write_text(
        "set -e; cp -r results kept; mount -t tmpfs -o nr_blocks=4096 none results; cp -r kept/. results; sync\n"
        "mount -o remount,nr_blocks=$(($(stat -fc '%b - %f + 10' results))) results\n"
        'if "$@" > first 2>&1; then echo "nothing failed"; exit 1; fi\n'
        "ls results/store/*/*.json > there; cp --preserve=timestamps -r results/store before\n"
        'mount -o remount,nr_blocks=16384 results; "$@" > second 2>&1; rm -r kept\n'
        "cp --preserve=timestamps -r results kept\n"
    )
    process = finished.start(inside=(*NAMESPACE, "sh", "-e", str(script)))
    printed, _ = process.communicate()
    first = (finished.root / "first").read_text()
    assert process.returncode == 0, printed + first
    assert "No space left on device" in first
    assert "Traceback" not in first
    there = {file.stem: file.stat().st_mtime_ns for file in finished.root.glob("before/*/*.json")}
    kept = {file.stem: file.stat().st_mtime_ns for file in finished.root.glob("kept/store/*/*.json")}
    assert 0 < len(there) < len(kept) == RUNS
    assert {run: kept[run] for run in there} == there


@mounting
def test_results_that_cannot_be_written_are_told_and_left_as_they_are(finished, tmp_path):
    before, stored = finished.content(), finished.stored()
    template = finished.root / "reports/document.html"
    template.write_text(template.read_text() + "<!-- an edit -->\n")
    script = tmp_path / "launch"
    script.write_text('mount --bind results results && mount -o remount,ro,bind results && exec "$@"\n')
    printed = finished.run(inside=(*NAMESPACE, "sh", str(script)), fails=True)
    assert "results/tiny cannot be written (Read-only file system: " in printed
    assert "Nothing is lost: mend that, and give the same command again" in printed
    assert "Traceback" not in printed
    assert (finished.content(), finished.stored()) == (before, stored)


def test_a_job_that_fails_for_good_stops_no_other_and_the_report_names_what_is_missing(finished):
    stored = finished.stored()
    text = finished.tiny.read_text().replace(
        "optimizers:", "  sine: {batch_sizes: [32], epochs: 2, evaluation_points: 4, device: gpu}\noptimizers:"
    )
    finished.tiny.write_text(text.replace("evaluation: 6", "evaluation: 7"))
    printed = finished.run(fails=True, CUDA_VISIBLE_DEVICES="")
    after = finished.stored()
    assert "device: gpu is declared, but this machine shows none" in printed
    assert "tiny: 2 runs trained, 24 found in the store" in printed, "the other problem's jobs went on"
    assert "snakemake --cores 2 --config experiment=tiny incomplete=yes" in printed
    printed = finished.run(config=("incomplete=yes",))
    assert finished.stored() == after
    assert len(after) == len(stored) + 2
    named = "sine, tuning: 6 (sgd); sine, evaluation: 7 (sgd)"
    assert f"[tables] tiny: 13 of 39 runs are missing: {named}" in printed
    assert f"the report is incomplete: {named}." in (finished.results / "tiny/report/index.html").read_text()
    counts = pd.read_parquet(finished.results / "tiny/tables/counts.parquet").set_index(["problem", "stage"])
    assert counts["missing"].to_dict() == {
        ("linear", "tuning"): 0,
        ("linear", "evaluation"): 0,
        ("linear", "reproduction"): 0,
        ("sine", "tuning"): 6,
        ("sine", "evaluation"): 7,
        ("sine", "reproduction"): 0,
    }


def test_what_no_experiment_uses_is_listed_and_pruned_and_nothing_else(finished):
    def gc(*arguments):
        command = [sys.executable, "-m", "thalweg.results.gc", *arguments]
        return subprocess.run(command, cwd=finished.root, capture_output=True, text=True)

    used, folder = finished.stored(), finished.results / "store"
    for digest in ("ab" * 32, "cd" * 32):
        store.write_run(folder, digest, {"of": "an optimizer that is no more"})
    unused = [str(store.run_file(Path("results/store"), digest)) for digest in ("ab" * 32, "cd" * 32)]
    listed = gc()
    assert listed.stdout.splitlines()[:-1] == unused
    assert f"of {RUNS} runs that are used, 0 are missing and 0 damaged" in listed.stdout
    assert len(finished.stored()) == RUNS + 2, "listing removes nothing"
    shard = finished.results / "tiny/runs/evaluation/linear/sgd/runs.parquet"
    shard.rename(shard.with_suffix(".hidden"))
    refused = gc("--prune")
    assert refused.returncode != 0
    assert "tiny: evaluation linear × sgd: no results yet" in refused.stderr
    assert len(finished.stored()) == RUNS + 2, "unfinished results could lose runs"
    shard.with_suffix(".hidden").rename(shard)
    refused = gc("--prune", "--experiments", "elsewhere")
    assert refused.returncode != 0
    assert "results/tiny: its experiment file is not there" in refused.stderr
    whole = shard.read_bytes()
    shard.write_bytes(whole[:-9])
    refused = gc("--prune")
    assert (refused.returncode, "Traceback" in refused.stderr) == (1, False)
    assert "results/tiny/runs/evaluation/linear/sgd/runs.parquet is damaged" in refused.stderr
    shard.write_bytes(whole)
    assert len(finished.stored()) == RUNS + 2
    file = store.run_file(folder, next(iter(used)))
    file.write_bytes(file.read_bytes()[:-1])
    records = set(finished.results.glob("tiny/digests/**/*.sha256"))
    assert "1 damaged" in gc("--prune").stdout
    (gone,) = records - set(finished.results.glob("tiny/digests/**/*.sha256"))
    assert gone.parent.parent.name in ("tuning", "evaluation"), "the next launch trains the run again"
    del used[file.stem]
    assert finished.stored() == used
