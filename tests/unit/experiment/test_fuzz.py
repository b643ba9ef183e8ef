"""Experiment files as nobody would write them: whatever comes, the loader ends in an experiment or in ExperimentError.

A document is made from a good one by changes of its text, its bytes or its tree, or is a tree at random. It follows
from its number, so that one that fails can be made again.
"""

import copy
import random
import shutil
import time
from pathlib import Path

import pytest
import yaml

from thalweg.experiment.errors import ExperimentError
from thalweg.experiment.loading import load
from thalweg.experiment.schema import Schedule
from thalweg.grid import declared, schedule_arguments, warmup_steps
from thalweg.hashing import digest
from thalweg.horizon import Horizon

ROOT = Path(__file__).parents[3]
SHIPPED = [(ROOT / f"experiments/{name}.yaml").read_text() for name in ("smoke", "article")]
SMALL = """\
title: A small one
problems: {linear: {batch_sizes: [1, 6], epochs: 5, target: train_loss <= 0.1, timing: true}}
optimizers:
  sgd: {class: SGD, momentum: 0.9, learning_rates: 1e-3 .. 1}
  adam: {class: Adam, search: {trials: 3, learning_rate: 1e-4 .. 1e-1, beta_1: 1 - (1e-2 .. 3e-1), epsilon: [1e-8, 1]}}
schedules:
  constant: {}
  steps: {class: PiecewiseConstantDecay, boundaries: [10 %, 2 epochs, 9], values: [1, 0.5, 0.2, 0.1], warmup: 3}
seeds: {tuning: 3, evaluation: [7, 8, 9]}
reproductions:
  snippet: {problem: linear, optimizer: sgd, schedule: constant, learning_rate: 1e-2, batch_size: 6}
claims:
  lower:
    says: it ends lower
    compare: {optimizer: adam, with: sgd, problem: linear, batch_size: 6}
    measure: seconds to target
    expect: lower
    smallest_effect: 1 %
  near: {says: it is near, of: {reproduction: snippet}, measure: prediction at x = 10, expect: within 0.1 of 19}
  matters: {says: it matters, of: {factor: schedule}, measure: share of variance, expect: at least 10 %}
"""
PROBLEMS = ("linear", "sine", "digits_cnn")

VALUES = [
    *(None, True, False, 0, -1, 1, 2**31, 10**30, 10**400, 0.0, -0.0, 1e-400, 1e308, float("nan"), float("inf")),
    *(
        "",
        " ",
        "\0",
        "\n",
        "\ud800",
        "\u202e",
        "😀",
        "../..",
        "/",
        "'",
        "linear",
        "SGD",
        "os:system",
        "a..b:C",
        "x" * 300,
    ),
    *("1e-3 .. 1", "1 .. 1e-3", "nan .. inf", "1e-320 .. 1", " .. ", "1 - (0 .. 1)", "5 epochs", "1e9 %", "-1 steps"),
    *("9" * 400 + " epochs", "test_loss <= nan", "train_loss >= 1", "10 hours", "final train loss", "steps to target"),
    *("within 1e999 of 2", "at least 5 %", "same", "tuned", "0x1F", "1:30", "2026-01-01", "٣", "1_000", "=", "<<"),
    *([], [[]], [None], [1, "a"], [0.1, 0.1], {}, {"a": {}}, {1: 2}, {"class": "SGD"}, {"class": None}, {"": ""}),
]
TEXTS = [
    *("\t", "  ", "\n", ": ", "- ", "? ", "#", "&a ", "*a", "!!set ", "!!int ", "!!python/object:os.system ", "<<: *a"),
    *(
        "{",
        "}",
        "[",
        "]",
        "'",
        '"',
        "|\n",
        ">\n",
        "---\n",
        "...\n",
        "%YAML 9\n",
        "\ufeff",
        "\0",
        "\x85",
        "\r",
        "\u2028",
    ),
    *("title: x\n", "seeds:\n", "[" * 300, "{a: " * 50, "9" * 400, "1e999", ".nan", "!!float ''", "!!binary '='"),
]
KEYS = [
    "title",
    "problems",
    "class",
    "search",
    "learning_rate",
    "warmup",
    "with",
    "of",
    "name",
    "__class__",
    "a b",
    "",
    "no",
]


def changed_text(rng, text):
    """Some places of a text cut out, doubled, swapped or filled with what means something in YAML."""
    for _ in range(rng.choice([1, 1, 1, 4])):
        lines, place = text.splitlines(keepends=True) or [""], rng.randrange(len(text) + 1)
        one, other = rng.randrange(len(lines)), rng.randrange(len(lines))
        change = rng.randrange(4)
        if change == 0:
            text = text[:place] + rng.choice(TEXTS) + text[place:]
        elif change == 1:
            text = text[:place] + text[place + rng.randint(1, 30) :]
        else:
            lines[one], lines[other] = lines[other] * (change - 1), lines[one]
            text = "".join(lines)
    return text


def flipped(rng, text):
    """A text with some of its bits flipped."""
    content = bytearray(text.encode())
    for _ in range(rng.choice([1, 1, 5])):
        content[rng.randrange(len(content))] ^= 1 << rng.randrange(8)
    return bytes(content)


def places(tree):
    """Every container of a tree with the keys or indices of what is in it."""
    if isinstance(tree, dict | list):
        inside = list(tree) if isinstance(tree, dict) else list(range(len(tree)))
        yield from ((tree, key) for key in inside)
        for key in inside:
            yield from places(tree[key])


def changed_tree(rng, text):
    """A document in which some values, keys or entries are others, or stand in another place."""
    tree = yaml.safe_load(text)
    for _ in range(rng.choice([1, 1, 3])):
        there = list(places(tree))
        container, key = rng.choice(there)
        change = rng.randrange(5)
        if change == 0 and isinstance(container, dict):
            container[rng.choice([*KEYS, f"{key}s", *VALUES[:12]])] = container.pop(key)
        elif change == 1:
            del container[key]
        elif change == 2:
            other, of_other = rng.choice(there)
            container[key] = copy.deepcopy(other.get(of_other) if isinstance(other, dict) else [*other, None][0])
        else:
            container[key] = copy.deepcopy(rng.choice(VALUES))
        if not tree:
            break
    return written(tree)


def some_tree(rng, depth=0):
    """A tree of valid and invalid keys and values."""
    if depth > 4 or rng.random() < 0.2 * depth:
        return rng.choice(VALUES)
    if rng.random() < 0.2:
        return [some_tree(rng, depth + 1) for _ in range(rng.randrange(4))]
    known = ["title", "problems", "optimizers", "schedules", "seeds", "reproductions", "claims"] if not depth else KEYS
    return {rng.choice([*known, *PROBLEMS]): some_tree(rng, depth + 1) for _ in range(rng.randrange(8))}


def written(tree):
    try:
        return yaml.safe_dump(tree, allow_unicode=True, sort_keys=False)
    except (yaml.YAMLError, TypeError, ValueError):  # it holds what YAML cannot: then Python's own way to write it
        return repr(tree)


def document(number):
    """The document of that number, as bytes."""
    rng = random.Random(number)
    text = rng.choices([SMALL, *SHIPPED], [8, 2, 1])[0]
    make = rng.choice([changed_text, flipped, changed_tree, changed_tree, lambda rng, _: written(some_tree(rng))])
    content = make(rng, text)
    return content if isinstance(content, bytes) else content.encode("utf-8", "surrogatepass")


@pytest.mark.parametrize("block", [0, *(pytest.param(k, marks=pytest.mark.soak) for k in range(1, 11))])
def test_only_clean_errors_come_of_a_thousand_documents(tmp_path, block):
    (tmp_path / "problems").mkdir()
    for name in PROBLEMS:
        shutil.copy(ROOT / f"experiments/problems/{name}.py", tmp_path / "problems")
    file, loaded = tmp_path / "one.yaml", 0
    for number in range(1000 * block, 1000 * (block + 1)):
        file.write_bytes(document(number))
        began = time.thread_time()
        try:
            use(load(file))
            loaded += 1
        except ExperimentError as error:
            assert str(error).isprintable() or "\n  " in str(error)
            assert len(str(error)) < 15_000, number
        except Exception as error:
            raise AssertionError(f"document {number}: {document(number)!r}") from error
        assert time.thread_time() - began < 5, number
    assert 50 < loaded < 950, "good ones are among them, and bad ones"


def use(experiment):
    """Ask of an experiment what the Snakefile asks before anything trains, but for what no file can change."""
    digest(experiment.model_dump(mode="json", exclude={"directory": True}))
    assert all(count >= 0 for count in declared(experiment).values())
    for schedule in experiment.schedules.values():
        lengths(schedule, Horizon(100, 10, 5))


def lengths(schedule: Schedule, horizon: Horizon):
    assert 0 <= warmup_steps(schedule, horizon) < 2**63
    assert len(schedule_arguments(schedule, horizon)) == len(schedule.arguments)
