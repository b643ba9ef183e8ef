"""A run's digest: what must change it, and what must not."""

import json
import os
import subprocess
import sys

import pytest

from thalweg import identity
from thalweg.experiment.loading import load
from thalweg.grid import Run
from thalweg.hashing import digest

EXPERIMENT = """\
title: An experiment
problems:
  linear: {batch_sizes: [6], epochs: 5}
optimizers:
  sgd: {class: SGD, learning_rates: [0.1]}
schedules:
  constant: {}
  falling: {class: ExponentialDecay, decay_rate: 0.5, decay_steps: 1 epoch}
seeds: {tuning: 1, evaluation: 1}
"""
CHECK = {"data": "d", "model": "m", "in_memory": True, "splits": {"train": {"examples": 6}}}
RUN = Run("linear", "sgd", "constant", 6, 0.1, 1)


@pytest.fixture
def folder(tmp_path):
    (tmp_path / "problems").mkdir()
    (tmp_path / "problems/linear.py").write_text('"""A problem."""\nfrom problems import common\nx = common.one\n')
    (tmp_path / "problems/common.py").write_text("one = 1\n")
    (tmp_path / "one.yaml").write_text(EXPERIMENT)
    return tmp_path


def run_digest(folder, run=RUN, check=CHECK, device="cpu"):
    identity.source_digest.cache_clear()
    identity._code_digest.cache_clear()
    return digest(identity.identity(load(folder / "one.yaml"), run, check, device))


@pytest.mark.parametrize(
    ("file", "old", "new"),
    [
        ("one.yaml", "An experiment", "Another title"),
        ("one.yaml", "[0.1]", "[0.1, 0.2]"),
        ("one.yaml", "epochs: 5", "epochs: 5, target: test_loss <= 1, time_limit: 5 minutes, jobs_per_gpu: 2"),
        ("one.yaml", "epochs: 5", "epochs: 5, timing: true"),
        ("one.yaml", "epochs: 5", "epochs: 5, shared_examples: true"),
        ("one.yaml", "epochs: 5", "epochs: 5, record: [gradient_noise, weights]"),
        ("one.yaml", "tuning: 1", "tuning: 3"),
        ("one.yaml", "constant: {}", "constant: {}\n  other: {class: CosineDecay, decay_steps: 100 %}"),
        ("one.yaml", "decay_rate: 0.5", "decay_rate: 0.6"),
        ("one.yaml", "learning_rates: [0.1]", "search: {trials: 3, learning_rate: [0.1]}"),
        ("one.yaml", "sgd:", "sgd2: {class: SGD, learning_rates: [1]}\n  sgd:"),
        ("problems/linear.py", "A problem", "A better text"),
        ("problems/linear.py", "x = ", "\n# why\nx  =  "),
        ("problems/common.py", "one = 1", "one = 1  # the first"),
    ],
)
def test_what_leaves_it_the_same(folder, file, old, new):
    before = run_digest(folder)
    text = (folder / file).read_text()
    assert old in text
    (folder / file).write_text(text.replace(old, new))
    assert run_digest(folder) == before


@pytest.mark.parametrize(
    ("file", "old", "new"),
    [
        ("one.yaml", "epochs: 5", "epochs: 6"),
        ("one.yaml", "epochs: 5", "epochs: 5, xla: false"),
        ("one.yaml", "epochs: 5", "epochs: 5, threads: 2"),
        ("one.yaml", "epochs: 5", "epochs: 5, precision: mixed_bfloat16"),
        ("one.yaml", "epochs: 5", "epochs: 5, evaluation_points: 5"),
        ("one.yaml", "epochs: 5", "epochs: 5, drop_remainder: true"),
        ("one.yaml", "epochs: 5", "epochs: 5, data_order: fixed"),
        ("one.yaml", "epochs: 5", "epochs: 5, lanes: 2"),
        ("one.yaml", "epochs: 5", "epochs: 5, target: test_loss <= 1, end_at_target: true"),
        ("one.yaml", "class: SGD,", "class: SGD, momentum: 0.9,"),
        ("one.yaml", "constant: {}", "constant: {class: CosineDecay, decay_steps: 100 %}"),
        ("one.yaml", "constant: {}", "constant: {warmup: 1 epoch}"),
        ("problems/linear.py", "common.one", "common.one + 1"),
        ("problems/common.py", "one = 1", "one = 2"),
    ],
)
def test_what_makes_it_another_run(folder, file, old, new):
    before = run_digest(folder)
    text = (folder / file).read_text()
    assert old in text
    (folder / file).write_text(text.replace(old, new))
    assert run_digest(folder) != before


def test_each_axis_the_device_and_the_data_tell_runs_apart(folder):
    others = [
        run_digest(folder, RUN._replace(learning_rate=0.2)),
        run_digest(folder, RUN._replace(seed=2)),
        run_digest(folder, RUN._replace(schedule="falling")),
        run_digest(folder, RUN._replace(batch_size=3)),
        run_digest(folder, device="gpu"),
        run_digest(folder, check={**CHECK, "data": "e"}),
        run_digest(folder, check={**CHECK, "model": "n"}),
    ]
    assert len({run_digest(folder), *others}) == 8


def test_what_is_searched_is_among_the_arguments_and_told_from_what_is_fixed(folder):
    fixed = run_digest(folder, RUN._replace(optimizer="sgd"))
    (folder / "one.yaml").write_text(
        EXPERIMENT.replace("learning_rates: [0.1]", "search: {trials: 1, learning_rate: [0.1], momentum: [0.5, 0.9]}")
    )
    run = RUN._replace(hyperparameters=(("momentum", 0.9),))
    known = identity.identity(load(folder / "one.yaml"), run, CHECK, "cpu")["optimizer"]
    assert known == {"class": "SGD", "arguments": {"momentum": 0.9}, "source": None, "searched": ["momentum"]}
    others = {run_digest(folder, run), run_digest(folder, RUN._replace(hyperparameters=(("momentum", 0.5),)))}
    (folder / "one.yaml").write_text(EXPERIMENT.replace("class: SGD,", "class: SGD, momentum: 0.9,"))
    assert len({fixed, run_digest(folder), *others}) == 4


def test_what_has_neither_warmup_nor_search_has_the_identity_it_always_had(folder):
    known = identity.identity(load(folder / "one.yaml"), RUN._replace(schedule="falling"), CHECK, "cpu")
    assert known["optimizer"] == {"class": "SGD", "arguments": {}, "source": None}
    arguments = {"decay_rate": 0.5, "decay_steps": 1}
    assert known["schedule"] == {"class": "ExponentialDecay", "arguments": arguments, "source": None}


def test_it_is_the_same_in_another_folder_process_and_hash_seed(folder, tmp_path_factory):
    other = tmp_path_factory.mktemp("elsewhere") / "copy"
    folder.rename(other)
    script = (
        "import json; from pathlib import Path; from thalweg import identity; from thalweg.hashing import digest\n"
        "from thalweg.experiment.loading import load; from thalweg.grid import Run\n"
        f"run, check = Run(*{tuple(RUN)!r}), json.loads({json.dumps(json.dumps(CHECK))})\n"
        f"print(digest(identity.identity(load(Path({str(other / 'one.yaml')!r})), run, check, 'cpu')))"
    )
    digests = {
        subprocess.run(
            [sys.executable, "-c", script],
            capture_output=True,
            text=True,
            check=True,
            env={**os.environ, "PYTHONHASHSEED": seed},
        ).stdout.strip()
        for seed in "01"
    }
    assert digests == {run_digest(other)}


def test_the_digest_is_sha_256_of_canonical_json():
    assert digest({"b": 1, "a": [0.1]}) == digest({"a": [0.1], "b": 1})
    assert digest([]) == "4f53cda18c2baa0c0354bb5f9a3ecbe5ed12ab4d8e11ba873c2f11161202b945"


def closure(way):
    """The files that a way of training imports, of this project."""
    start = identity.SOURCE.joinpath(*identity.WAYS_OF_TRAINING[way].split(".")).with_suffix(".py")
    files, waiting = set(), [start]
    while waiting:
        file = waiting.pop()
        if file not in files:
            files.add(file)
            waiting += identity._local_imports(file, identity.SOURCE)
    return {str(file.relative_to(identity.SOURCE / "thalweg")) for file in files}


def test_it_covers_what_its_way_of_training_imports_and_nothing_else():
    in_memory, streamed = closure("in memory"), closure("streamed")
    shared = {"settings", "seeds", "hyperparameters", "optimizers", "steps", "evaluation", "records"}
    assert {f"training/engine/{name}.py" for name in shared} | {"training/schedules.py"} <= in_memory & streamed
    assert {"training/engine/loop.py", "training/engine/whole_run.py"} == in_memory - streamed
    assert streamed - in_memory == {"training/engine/streamed.py"}
    rooms = ("analysis", "certificate", "reporting", "results", "workflow", "training/jobs", "experiment/schema.py")
    assert not [file for file in in_memory | streamed if file.startswith((*rooms, "grid.py", "identity.py"))]


def test_a_quantity_is_known_by_its_module():
    always = identity.quantity_digests([])
    with_noise = identity.quantity_digests(["gradient_noise"])
    assert with_noise.keys() - always.keys() == {"gradient_noise"}
    assert with_noise["gradient_noise"] not in always.values()
