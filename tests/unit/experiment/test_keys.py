"""The keys of the experiment file: what they say of themselves, and what is made from that."""

import json
import re
from pathlib import Path

import jsonschema
import pytest
import yaml

from thalweg.experiment import yaml_file
from thalweg.experiment.keys import metadata_of
from thalweg.experiment.loading import load
from thalweg.experiment.reference import JSON_SCHEMA, PAGE, SECTIONS, fill_tables, json_schema, key_table
from thalweg.experiment.schema import FIELDS_FROM_PATH, Experiment, ProblemGrid, values_shaping_results
from thalweg.grid import Run
from thalweg.hashing import digest
from thalweg.identity import identity

ROOT = Path(__file__).parents[3]
DOCS = ROOT / "docs"
SHIPPED = sorted((ROOT / "experiments").glob("*.yaml"))

EXPERIMENT = {
    "title": "An experiment",
    "problems": {"linear": {"batch_sizes": [6], "epochs": 5, "target": "test_loss <= 1"}},
    "optimizers": {"sgd": {"class": "SGD", "learning_rates": [0.1]}},
    "schedules": {"constant": {}},
    "seeds": {"tuning": 1, "evaluation": 1},
}
CHECK = {"data": "d", "model": "m", "in_memory": True, "splits": {"train": {"examples": 8}}}

OTHER_VALUES = {
    "batch_sizes": [6, 2],
    "epochs": 6,
    "drop_remainder": True,
    "data_order": "fixed",
    "shared_examples": True,
    "evaluation_points": 5,
    "record": ["weights"],
    "target": "test_loss <= 2",
    "end_at_target": True,
    "time_limit": "5 minutes",
    "device": "gpu",
    "jobs_per_gpu": 2,
    "lanes": 2,
    "threads": 2,
    "precision": "mixed_bfloat16",
    "xla": False,
    "timing": True,
}
"""For each key of a problem's entry a value that is not the one of EXPERIMENT."""

NOT_DECIDED_BY_THE_ENTRY = {"batch_sizes", "device"}
"""Keys of which a run has its own value: its batch size, and the device class that was found."""


@pytest.fixture
def load_with(tmp_path):
    (tmp_path / "problems").mkdir()
    (tmp_path / "problems/linear.py").touch()

    def load_with(**entry):
        file = tmp_path / "one.yaml"
        linear = {**EXPERIMENT["problems"]["linear"], **entry}
        file.write_text(yaml.safe_dump({**EXPERIMENT, "problems": {"linear": linear}}))
        return load(file)

    return load_with


def run_digest(experiment):
    return digest(identity(experiment, Run("linear", "sgd", "constant", 6, 0.1, 1), CHECK, "cpu"))


@pytest.mark.parametrize("key", ProblemGrid.model_fields)
def test_a_key_s_description_says_whether_it_changes_the_identity_of_runs(load_with, key):
    changes_bits = metadata_of(ProblemGrid, key)["changes_bits"]
    changed = run_digest(load_with()) != run_digest(load_with(**{key: OTHER_VALUES[key]}))
    assert changed == (changes_bits in ("yes", "derived") and key not in NOT_DECIDED_BY_THE_ENTRY)


def test_a_target_changes_the_identity_of_runs_that_end_there(load_with):
    ending, ending_later = load_with(end_at_target=True), load_with(end_at_target=True, target="test_loss <= 2")
    assert run_digest(ending) != run_digest(ending_later)


@pytest.mark.parametrize("key", ProblemGrid.model_fields)
def test_a_key_s_description_says_whether_it_shapes_results(load_with, key):
    entry, other = (load_with(**changes).problems["linear"] for changes in ({}, {key: OTHER_VALUES[key]}))
    changes_bits = metadata_of(ProblemGrid, key)["changes_bits"]
    same = values_shaping_results(entry) == values_shaping_results(other)
    assert same == (changes_bits in ("no", "only with end_at_target"))


@pytest.mark.parametrize("section", SECTIONS)
def test_every_key_says_what_it_means(section):
    for name in section.model_fields.keys() - (FIELDS_FROM_PATH if section is Experiment else set()):
        assert section.model_fields[name].description
        assert metadata_of(section, name)["changes_bits"]


def test_the_reference_page_s_tables_are_those_of_the_schema():
    page = (DOCS / PAGE).read_text()
    assert fill_tables(page) == page, "run python -m thalweg.experiment.reference docs"
    listed = re.findall(r"<!-- keys of (\w+) -->", page)
    assert {*listed, "Of", "PaperFigure"} == {section.__name__ for section in SECTIONS}


def test_a_table_of_keys_is_filled_between_its_marks():
    page = "a\n<!-- keys of Seeds -->\nold\n<!-- end of keys -->\nb\n"
    filled = fill_tables(page)
    assert filled.startswith("a\n<!-- keys of Seeds -->\n| key | meaning |\n| --- | --- |\n| `tuning` | how many runs")
    assert filled.endswith("|\n<!-- end of keys -->\nb\n")
    assert "old" not in filled
    assert fill_tables(filled) == filled


def test_a_table_of_keys_shows_defaults_and_changed_bits():
    rows = key_table(ProblemGrid).splitlines()
    assert rows[0] == "| key | meaning | default | changes bits |"
    assert "| `epochs` | the horizon |  | yes |" in rows
    assert len(rows) == 2 + len(ProblemGrid.model_fields)
    by_key = {row.split("`")[1]: row for row in rows[2:]}
    assert by_key["target"].endswith("|  | with `end_at_target` |")
    assert by_key["xla"].endswith("| true | yes |")
    assert by_key["record"].endswith("|  | no |")


def test_the_json_schema_is_current():
    assert json.loads((DOCS / JSON_SCHEMA).read_text()) == json_schema(), (
        "run python -m thalweg.experiment.reference docs"
    )


def validate(document):
    schema = json.loads((DOCS / JSON_SCHEMA).read_text())
    jsonschema.Draft202012Validator.check_schema(schema)
    jsonschema.Draft202012Validator(schema).validate(document)


@pytest.mark.parametrize("file", SHIPPED, ids=lambda file: file.stem)
def test_the_json_schema_takes_the_shipped_experiments(file):
    document, _ = yaml_file.read(file)
    validate(document)


def test_the_json_schema_takes_the_reference_page_s_examples(tmp_path):
    page = (DOCS / PAGE).read_text()
    examples = re.findall(
        r"```yaml\n((?:problems|optimizers|schedules|seeds|reproductions|claims|paper):.*?)```", page, re.DOTALL
    )
    assert len(examples) == 7
    file = tmp_path / "all.yaml"
    file.write_text("title: All\n" + "".join(examples))
    document, _ = yaml_file.read(file)
    validate(document)


@pytest.mark.parametrize(
    ("section", "changes"),
    [
        ("problems", {"linear": {"batch_sizes": [6], "epoch": 5}}),
        ("problems", {"linear": {"batch_sizes": [6]}}),
        ("problems", {"linear": {"batch_sizes": [6], "epochs": 5, "target": "loss <= 1"}}),
        ("problems", {"linear": {"batch_sizes": [6], "epochs": 5, "time_limit": 10}}),
        ("problems", {"linear": {"batch_sizes": [6], "epochs": 5, "record": ["noise"]}}),
        ("optimizers", {"sgd": {"learning_rates": [0.1]}}),
        ("optimizers", {"sgd": {"class": "SGD", "learning_rates": 0.1}}),
        ("schedules", {"warm": {"warmup": "5 lines"}}),
        ("schedules", {"warm": 5}),
        ("seeds", {"tuning": 0, "evaluation": 1}),
        ("name", "one"),
    ],
)
def test_the_json_schema_refuses_what_the_loader_refuses(section, changes):
    validate(EXPERIMENT)
    with pytest.raises(jsonschema.ValidationError):
        validate({**EXPERIMENT, section: changes})
