"""The front door: what `snakemake --cores N` trains, and what it leaves alone."""

import json
import os
import re
import signal
import subprocess
import time
import zipfile
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from thalweg.reporting import SUMS

NO_REPORT = ("--until", "tables")
"""What Snakemake is told where a test needs no figures and pages."""

RUNS = 2 * 1 * 3 * 2 + 2 * 1 * 6
"""Of `tiny`: batch sizes × schedules × rates × tuning seeds, and batch sizes × schedules × evaluation seeds."""


def test_a_fresh_project_ends_in_a_report(finished, printed):
    assert (finished.results / "tiny/report/index.html").is_file()
    assert (finished.results / "tiny/report/cells/linear/sgd-constant-4.html").is_file()
    assert "tiny/report/index.html" in (finished.results / "index.html").read_text()
    assert f"tiny: {RUNS} of {RUNS} runs done, 0 left" in printed
    assert f"{RUNS} runs trained, 0 found in the store" in printed
    assert re.search(r"core-seconds: training \d+, starting and compiling \d+, .*Snakemake \d+; \d+ in all", printed)
    assert "profiles/default" in printed, "Snakemake must find the default profile by itself"
    runs = pd.read_parquet(finished.results / "tiny/tables/runs.parquet")
    assert len(runs) == RUNS == len(finished.stored())


def test_a_copy_in_another_folder_has_nothing_to_do(finished):
    before = finished.stored()
    assert "Nothing to be done" in finished.run()
    assert finished.stored() == before


def test_an_added_optimizer_trains_its_own_runs_only(finished):
    before = finished.stored()
    widened = finished.tiny.read_text().replace(
        "schedules:", "  adam: {class: Adam, learning_rates: 1e-2 .. 1e-1}\nschedules:"
    )
    finished.tiny.write_text(widened)
    printed = finished.run(*NO_REPORT)
    after = finished.stored()
    assert {run: after[run] for run in before} == before
    assert len(after) == 2 * len(before)
    assert f"{RUNS} runs trained, {RUNS} found in the store" in printed
    assert f"tiny: {2 * RUNS} of {2 * RUNS} runs done, 0 left" in printed


def test_added_seeds_schedules_and_batch_sizes_train_what_is_new(finished):
    before = finished.stored()
    text = finished.tiny.read_text()
    text = text.replace("evaluation: 6", "evaluation: 7").replace("[4, 6]", "[3, 4, 6]")
    finished.tiny.write_text(
        text.replace("constant: {}", "constant: {}\n  cosine: {class: CosineDecay, decay_steps: 100 %}")
    )
    printed = finished.run(*NO_REPORT)
    after = finished.stored()
    assert {run: after[run] for run in before} == before
    wanted = 3 * 2 * 3 * 2 + 3 * 2 * 7
    assert f"{wanted - RUNS} runs trained, {RUNS} found in the store" in printed


def test_statistics_and_templates_train_nothing(finished):
    before = finished.stored()
    template = finished.root / "reports/document.html"
    template.write_text(template.read_text() + "<!-- an edit -->\n")
    statistic = finished.root / "src/thalweg/analysis/tables/__main__.py"
    statistic.write_text(statistic.read_text() + "\nEDITED = True\n")
    printed = finished.run()
    assert finished.stored() == before
    assert "[tuning" not in printed and "[evaluation" not in printed
    assert (finished.results / "tiny/report/index.html").read_text().rstrip().endswith("<!-- an edit -->")


def test_claims_of_another_file_are_judged_and_nothing_is_trained(finished, tmp_path):
    claims = tmp_path / "mine.yaml"
    claims.write_text(
        "claims: {larger_is_worse: {says: a larger batch ends higher, compare: {batch_size: 6, with: 4}, "
        "measure: final train loss, expect: higher}}"
    )
    before, content = finished.stored(), finished.content()
    printed = finished.run("judge", config=(f"claims={claims}",))
    tables = finished.results / "tiny/tables"
    runs = pd.read_parquet(tables / "runs.parquet").query("stage == 'evaluation'")
    losses = runs.pivot(index="seed", columns="batch_size", values="final_train_loss")
    (found,) = pd.read_csv(finished.results / "tiny/judged/mine.csv").to_dict("records")
    np.testing.assert_allclose(found["effect"], (losses[6] / losses[4]).median(), rtol=1e-6)
    assert f"{found['verdict']}: larger_is_worse, a larger batch ends higher" in printed
    assert finished.stored() == before
    assert finished.content("tiny", "judged") == content
    misspelt = claims.read_text().replace("final train loss", "final train los")
    claims.write_text(misspelt)
    told = finished.run("judge", config=(f"claims={claims}",), fails=True)
    assert f"{claims} has 1 mistake" in told
    assert "claims.larger_is_worse.measure: los is no metric of linear (did you mean loss?)" in told
    finished.tiny.write_text(f"{finished.tiny.read_text()}{misspelt}\n")
    told = finished.run(fails=True)
    assert "larger_is_worse.measure: los is no metric of linear" in told and "Traceback" not in told
    assert finished.stored() == before
    told = finished.run("judge", config=("claims=nowhere.yaml",), fails=True)
    assert "nowhere.yaml: No such file or directory" in told and "Traceback" not in told


def test_timing_is_measured_after_all_else_and_restarts_no_training(finished):
    before, stored = finished.content(), finished.stored()
    text = finished.tiny.read_text().replace("epochs: 20", "epochs: 20, timing: true")
    claim = {
        "says": "a small batch takes longer",
        "compare": {"batch_size": 4, "with": 6, "problem": "linear"},
        "measure": "seconds to train loss <= 1",
        "expect": "higher",
    }
    finished.tiny.write_text(f"{text}claims:\n  slower: {json.dumps(claim)}\n")
    printed = finished.run()
    assert finished.stored() == stored
    assert "[timing linear] 22 turns in 11 rounds took" in printed
    assert not re.search(r"\[(check|tuning|evaluation)", printed)
    turns = pd.read_parquet(finished.results / "tiny/timings/linear.parquet")
    assert turns.groupby("round")["batch_size"].agg(set).tolist() == [{4, 6}] * 11
    assert (turns["microseconds"] > 0).all()
    tables = finished.results / "tiny/tables/measured"
    assert len(pd.read_parquet(tables / "timings.parquet")) == 2
    (slower,) = pd.read_parquet(tables / "claims_in_seconds.parquet").to_dict("records")
    assert (slower["claim"], slower["n"], slower["reason"]) == ("slower", 6, "too few seeds")
    cost = (finished.results / "tiny/report/cost.html").read_text()
    assert "Timed in turn, in one process" in cost
    assert 'id="claim-slower"' in cost
    after = finished.content()
    assert {name for name in before if before[name] != after[name]} <= {
        "report/index.html",
        "report/cost.html",
        "tables/dictionary.csv",
        "report/tables/dictionary.csv",
        "report/source/experiments/tiny.yaml",
        "report/ro-crate-metadata.json",
        "report/SHA256SUMS",
    }


def test_a_comment_in_the_training_code_trains_nothing(finished):
    program = finished.root / "src/thalweg/training/engine/whole_run.py"
    program.write_text(program.read_text() + "\n# A comment changes nothing.\n")
    os.utime(finished.root / "experiments/problems/linear.py")
    assert "Nothing to be done" in finished.run()


def test_a_change_of_the_training_code_or_the_problem_trains_again(finished):
    before = finished.stored()
    problem = finished.root / "experiments/problems/linear.py"
    problem.write_text(problem.read_text().replace("2 * x - 1)", "2 * x - 2)"))
    assert f"{RUNS} runs trained, 0 found in the store" in finished.run(*NO_REPORT)
    after = finished.stored()
    assert len(after) == 2 * RUNS
    assert {run: after[run] for run in before} == before


ELSEWHERE = {
    "CUDA_VISIBLE_DEVICES": "0",
    "DNNL_VERBOSE": "0",
    "HOME": "/nowhere",
    "KERAS_BACKEND": "jax",
    "LANG": "tr_TR.UTF-8",
    "LC_ALL": "C",
    "NPY_DISABLE_CPU_FEATURES": "AVX512F",
    "OMP_NUM_THREADS": "2",
    "ONEDNN_MAX_CPU_ISA": "SSE41",
    "OPENBLAS_NUM_THREADS": "2",
    "PYTHONHASHSEED": "7",
    "PYTHONOPTIMIZE": "1",
    "TF_DETERMINISTIC_OPS": "1",
    "TF_ENABLE_ONEDNN_OPTS": "0",
    "TF_NUM_INTRAOP_THREADS": "2",
    "TF_XLA_FLAGS": "--tf_xla_auto_jit=2",
    "TZ": "Pacific/Kiritimati",
    "XLA_FLAGS": "--xla_cpu_enable_fast_math=true",
}
"""What a shell may hold, and what must not matter."""

ANOTHER_USER = ("unshare", "--user", "--map-user=65534", "--map-group=65534")
"""Begins a command that nobody runs, where the system lets users be mapped."""


def as_another_user():
    return ANOTHER_USER if subprocess.run([*ANOTHER_USER, "true"], capture_output=True).returncode == 0 else ()


def in_other_circumstances(workspace, experiment, another_optimizer):
    """Run an experiment in another folder, on one core, by another user, the jobs in another order and with other runs
    in each, in an environment full of what must not matter."""
    file = workspace.root / "experiments" / f"{experiment}.yaml"
    text = file.read_text()
    file.write_text(text.replace("\nschedules:", f"\n{another_optimizer}\nschedules:"))
    workspace.run("--until", "tune", experiment=experiment)
    file.write_text(text)
    for stored in sorted(workspace.results.glob("store/*/*.json"))[::2]:
        stored.unlink()
    for shard in workspace.results.glob(f"{experiment}/runs/*/*/*/runs.parquet"):
        shard.unlink()
    workspace.run(experiment=experiment, cores=1, inside=as_another_user(), **ELSEWHERE)


def assert_same_bits(ours, theirs):
    apart = {name for name in ours if "provenance" in name or name.endswith(".html")}
    apart |= {"report/ro-crate-metadata.json", "report/SHA256SUMS"}
    assert {name for name in ours if ours[name] != theirs.get(name)} <= apart, "only the commands are others"


def test_bits_depend_on_nothing_but_the_experiment(make_workspace, finished):
    other = make_workspace()
    in_other_circumstances(other, "tiny", "  adam: {class: Adam, learning_rates: 1e-2 .. 1e-1}")
    ours = finished.content()
    assert {"report/figures/linear/convergence.svg", "tables/cells.csv"} < ours.keys()
    assert_same_bits(ours, other.content())


@pytest.mark.soak
def test_bits_of_the_smoke_experiment_depend_on_nothing_else(make_workspace):
    here, other = make_workspace(), make_workspace()
    here.run(experiment="smoke")
    in_other_circumstances(other, "smoke", "  lion: {class: Lion, learning_rates: 1e-2 .. 1e-1}")
    assert_same_bits(here.content("smoke"), other.content("smoke"))


def test_a_damaged_run_is_found_named_and_trained_again(finished):
    file = next(finished.results.glob("store/*/*.json"))
    whole = file.read_bytes()
    flipped = bytearray(whole)
    flipped[len(whole) // 2] ^= 1
    file.write_bytes(flipped)
    printed = finished.run("--forcerun", "tune", *NO_REPORT)
    assert f"1 runs trained, {RUNS - 1} found in the store" in printed
    logs = "".join(log.read_text() for log in finished.results.glob("tiny/logs/*/linear/sgd.log"))
    assert f"{file.name} is damaged" in logs
    before, after = (json.loads(content.partition(b"\n")[2]) for content in (whole, file.read_bytes()))
    assert before.pop("measured")
    assert after.pop("measured")
    assert after == before


def test_what_was_deleted_is_made_again(finished):
    before, stored = finished.content(), finished.stored()
    for name in (
        "report/figures/linear/convergence.svg",
        "report/tables/cells.csv",
        "report/cells/linear/sgd-constant-6.html",
        "runs/evaluation/linear/sgd/histories.parquet",
        "checked.json",
    ):
        (finished.results / "tiny" / name).unlink()
    printed = finished.run()
    assert f"0 runs trained, {RUNS} found in the store" in printed
    assert "is damaged" not in printed
    assert finished.content() == before
    assert finished.stored() == stored


def test_changed_data_train_again_and_a_changed_description_is_told(finished):
    problem = finished.root / "experiments/problems/linear.py"
    data = finished.root / "experiments/problems/linear.npy"
    np.save(data, np.float32([[-3.0], [-1.0], [1.0], [3.0], [5.0], [7.0]]))
    text = problem.read_text().replace("2 * x - 1)", "np.load(__file__[:-2] + 'npy'))")
    problem.write_text(text.replace("Six points of", "Half a dozen points of"))
    finished.run(*NO_REPORT)
    np.save(data, np.float32([[-3.0], [-1.0], [1.0], [3.0], [5.0], [8.0]]))
    assert f"{RUNS} runs trained, 0 found in the store" in finished.run()
    assert "Half a dozen points of" in (finished.results / "tiny/report/index.html").read_text()


def test_a_figure_is_drawn_again_by_the_command_beneath_it(finished):
    report = finished.results / "tiny/report"
    page = (report / "problems/linear.html").read_text()
    command = re.search(r"snakemake --cores 1 (--forcerun figures_linear) --config experiment=tiny", page)[1]
    before, drawn = finished.content(), (report / "figures/linear/convergence.svg").stat().st_mtime_ns
    printed = finished.run(*command.split(), cores=1)
    assert "0 runs trained, 0 found in the store" in printed
    assert (report / "figures/linear/convergence.svg").stat().st_mtime_ns > drawn
    assert finished.content() == before
    assert subprocess.run(["sha256sum", "--check", "--quiet", *SUMS], cwd=report).returncode == 0


def test_snakemakes_own_report_has_the_figures_and_tables_without_a_network(finished):
    nowhere = "http://127.0.0.1:9"
    finished.run("--report", "snakemake.zip", HTTP_PROXY=nowhere, HTTPS_PROXY=nowhere)
    with zipfile.ZipFile(finished.root / "snakemake.zip") as archive:
        within = {Path(name).name: archive.read(name) for name in archive.namelist()}
    results = finished.results / "tiny"
    files = [*results.glob("report/figures/linear/*.svg"), *results.glob("tables/**/*.csv")]
    shown = {file.name: file.read_bytes() for file in files}
    assert len(shown) > 20
    assert {name: within.get(name) for name in shown} == shown
    page = within["report.html"].decode()
    assert "results/tiny/report/index.html" in page
    assert "system-message" not in page, "a caption that docutils cannot read"


def test_a_job_that_fails_says_why_on_the_terminal(workspace):
    workspace.tiny.write_text(workspace.tiny.read_text().replace("epochs: 20", "epochs: 20, device: gpu"))
    printed = workspace.run(fails=True, CUDA_VISIBLE_DEVICES="")
    assert "device: gpu is declared, but this machine shows none; write device: auto or cpu" in printed
    assert "its whole log is results/tiny/logs/tuning/linear/sgd.log" in printed


def test_mistakes_in_the_file_are_all_told_at_once(workspace):
    workspace.tiny.write_text(
        workspace.tiny.read_text()
        .replace("epochs: 20", "epoch: 20, batch_size: 3")
        .replace("constant: {}", "constant: {decay_steps: 5 epoch}")
    )
    printed = workspace.run(fails=True)
    assert "experiments/tiny.yaml has 4 mistakes; nothing was trained:" in printed
    assert "line 3: problems.linear.epoch: unknown key (did you mean epochs?)" in printed
    assert "line 3: problems.linear: epochs is missing" in printed
    assert "line 3: problems.linear.batch_size: unknown key (did you mean batch_sizes?)" in printed
    assert "line 7: schedules.constant: class: is missing" in printed
    assert "Traceback" not in printed
    assert not workspace.results.exists()


def test_mistakes_that_keras_finds_are_all_told_at_once(workspace):
    text = workspace.tiny.read_text().replace("[4, 6]", "[4, 7]").replace("class: SGD,", "class: SGD, momentun: 0.9,")
    text = text.replace("schedules:", "  adan: {class: Adan, learning_rates: [0.1]}\nschedules:")
    workspace.tiny.write_text(text + "  \n")
    printed = workspace.run(fails=True)
    assert "experiments/tiny.yaml has 3 mistakes; nothing was trained:" in printed
    assert "problems.linear.batch_sizes: 7 is more than the 6 training examples" in printed
    assert "optimizers.sgd: momentun: SGD takes no such argument (did you mean momentum?)" in printed
    assert "optimizers.adan: class: Adan is not in keras.optimizers (did you mean Adam?)" in printed
    assert "Traceback" not in printed
    assert not workspace.stored()
    workspace.tiny.write_text(text.replace("[4, 7]", "[4, 6]").replace("momentun", "momentum").replace("Adan", "Adam"))
    assert "0 left" in workspace.run(*NO_REPORT)


def test_a_second_launch_is_told_who_holds_the_results(workspace):
    first = workspace.start(*NO_REPORT)
    while not (workspace.results / "tiny/launch.json").exists():
        assert first.poll() is None, first.communicate()[0]
        time.sleep(0.02)
    # It is held up: else on a busy machine it may end before the second comes to ask.
    os.killpg(first.pid, signal.SIGSTOP)
    try:
        second = workspace.run(fails=True)
    finally:
        os.killpg(first.pid, signal.SIGCONT)
    assert f"is being worked on by process {first.pid}" in second
    printed, _ = first.communicate()
    assert first.returncode == 0, printed
