"""What a report says of itself to other programs.

The rules of RO-Crate 1.1 and of the profiles that are tried here are those that their texts mark with MUST.
"""

import datetime
import hashlib
import html.parser
import json
import re
import shutil
from pathlib import Path

import pandas as pd
import pytest
import synthetic
import yaml

from thalweg import templates
from thalweg.experiment.loading import load
from thalweg.reporting import SUMS
from thalweg.reporting.html import crate, pages

ROOT = Path(__file__).parents[3]


@pytest.fixture(scope="module")
def described(report):
    return json.loads((report / "ro-crate-metadata.json").read_text(encoding="utf-8"))


@pytest.fixture(scope="module")
def entities(described):
    """The entities of the crate by their identifiers."""
    graph = described["@graph"]
    found = {entity["@id"]: entity for entity in graph}
    assert len(found) == len(graph)
    return found


def as_list(value):
    return value if isinstance(value, list) else [value]


def types(entity):
    return set(as_list(entity["@type"]))


def references(value):
    """All that a value refers to."""
    if isinstance(value, list):
        return [one for item in value for one in references(item)]
    return [value["@id"]] if isinstance(value, dict) else []


def test_the_crate_describes_itself_and_its_root(entities):
    descriptor, root = entities["ro-crate-metadata.json"], entities["./"]
    assert descriptor["@type"] == "CreativeWork"
    assert descriptor["about"] == {"@id": "./"}
    assert {"@id": "https://w3id.org/ro/crate/1.1"} in descriptor["conformsTo"]
    assert root["@type"] == "Dataset"
    assert root["name"] == synthetic.HOSTILE
    assert root["description"] == "a <b>small</b> experiment & its results"
    assert root["license"]["@id"] in entities
    profiles = references(root["conformsTo"])
    assert "https://w3id.org/ro/wfrun/workflow/0.5" in profiles
    assert all(entities[profile]["@type"] == "CreativeWork" for profile in profiles)


def test_the_date_is_that_of_the_software_and_no_clock_s(entities):
    released = yaml.safe_load((ROOT / "CITATION.cff").read_text())["date-released"]
    assert isinstance(released, datetime.date)
    assert entities["./"]["datePublished"] == released.isoformat()


def test_every_entity_is_typed_and_every_reference_leads_to_one(entities):
    outside = {"https://w3id.org/ro/crate/1.1", "https://snakemake.github.io"}
    for entity in entities.values():
        assert types(entity)
        for key, value in entity.items():
            assert {*references(value)} <= entities.keys() | outside, (entity["@id"], key)


def test_every_data_entity_is_part_of_the_root_and_there_in_its_size(report, entities):
    files = {name: entity for name, entity in entities.items() if "File" in types(entity)}
    parts = references(entities["./"]["hasPart"])
    assert len(parts) == len({*parts})
    assert {*parts} == files.keys() | {"cells/"}
    for name, entity in files.items():
        content = (report / name).read_bytes()
        assert entity["encodingFormat"]
        if "sha256" in entity:
            assert entity["contentSize"] == str(len(content))
            assert entity["sha256"] == hashlib.sha256(content).hexdigest()
    without = {name for name, entity in files.items() if "sha256" not in entity}
    assert without == {name for name in files if name == "cost.html" or "measured/" in name} | {*SUMS}


def test_every_file_of_the_report_is_described(report, entities):
    there = {path.relative_to(report).as_posix() for path in report.rglob("*") if path.is_file()}
    assert {place for place in there if not place.startswith("cells/")} == {
        name for name in entities if (report / name).is_file()
    }


def test_the_workflow_made_the_report_from_the_experiment(report, small, experiment, entities):
    workflow = entities[entities["./"]["mainEntity"]["@id"]]
    assert types(workflow) == {"File", "SoftwareSourceCode", "ComputationalWorkflow"}
    assert entities[workflow["programmingLanguage"]["@id"]]["name"] == "Snakemake"
    assert (report / workflow["@id"]).read_bytes() == (ROOT / "Snakefile").read_bytes()
    rules = {Path(rule).name: rule for rule in references(workflow["hasPart"])}
    assert rules.keys() == {path.name for path in (ROOT / "workflow/rules").iterdir()}
    action = entities[entities["./"]["mentions"]["@id"]]
    assert action["@type"] == "CreateAction"
    assert action["instrument"]["@id"] == workflow["@id"]
    given, made = references(action["object"]), references(action["result"])
    assert {name: (report / name).read_bytes() for name in given} == {
        f"source/experiments/{path.relative_to(small[0].parent)}": path.read_bytes()
        for path in (small[0], *map(experiment.problem_file, experiment.problems))
    }
    assert {"index.html", "tables/cells.csv", "figures/linear/optimizers.svg", "cells/"} <= {*made}
    assert not {*given, *rules.values(), workflow["@id"]} & {*made}


def test_the_experiment_file_is_the_workflow_s_parameter(entities):
    (parameter,) = (entity for entity in entities.values() if "FormalParameter" in types(entity))
    assert parameter["additionalType"] == "File"
    assert entities["source/Snakefile"]["input"] == {"@id": parameter["@id"]}
    example = entities[parameter["workExample"]["@id"]]
    assert example["@id"] == "source/experiments/small.yaml"
    assert example["exampleOfWork"] == {"@id": parameter["@id"]}


def test_versions_are_those_of_the_provenance_table(small, entities):
    table = pd.read_parquet(small[1] / "tables/provenance.parquet")
    wanted = {("Python", "3.11.2"), ("TensorFlow", "2.21.0"), ("Keras", "3.15.0"), ("NumPy", "2.3.0")}
    wanted |= {("Thalweg", one.commit + "-dirty" * one.dirty) for one in table.itertuples()}
    needed = [entities[one] for one in references(entities["source/Snakefile"]["softwareRequirements"])]
    assert {(one["name"], one["softwareVersion"]) for one in needed} == wanted
    assert len(needed) == len(wanted) == 6


def test_a_figure_has_its_words(report, entities):
    told = json.loads((report / "figures/linear/paths.json").read_text())["alt"]
    assert entities["figures/linear/paths.svg"]["description"] == told


def test_another_measurement_changes_no_byte_of_the_crate_and_of_the_first_list(small, report, tmp_path):
    copy = tmp_path / "report"
    shutil.copytree(report, copy)
    results = tmp_path / "results"
    shutil.copytree(small[1] / "tables", results / "tables")
    shutil.copytree(small[1] / "checks", results / "checks")
    for form in ("parquet", "csv"):
        file = results / f"tables/measured/seconds.{form}"
        table = (pd.read_parquet if form == "parquet" else pd.read_csv)(file)
        slower = table.assign(seconds=2 * table["seconds"], median=1e6)
        slower.to_parquet(file) if form == "parquet" else slower.to_csv(file, index=False)
    pages.write(load(small[0]), results, copy)
    changed = {path.relative_to(copy).as_posix() for path in copy.rglob("*") if path.is_file()}
    changed = {place for place in changed if (copy / place).read_bytes() != (report / place).read_bytes()}
    assert changed == {"cost.html", "tables/measured/seconds.csv", "SHA256SUMS.measured"}


class DataBlocks(html.parser.HTMLParser):
    """The texts of a page's scripts."""

    def __init__(self, text):
        super().__init__()
        self.found, self.within = [], False
        self.feed(text)

    def handle_starttag(self, tag, attributes):
        self.within = tag == "script"

    def handle_endtag(self, tag):
        self.within = False

    def handle_data(self, data):
        if self.within:
            self.found.append(data)


def test_search_engines_find_a_dataset_in_the_first_page_that_hostile_text_does_not_end(report, entities):
    text = (report / "index.html").read_text(encoding="utf-8")
    (block,) = DataBlocks(text).found
    assert "<" not in block
    dataset = json.loads(block)
    assert dataset["@type"] == "Dataset"
    root = {key: entities["./"][key] for key in ("name", "description", "datePublished")}
    assert {key: dataset[key] for key in root} == root
    assert dataset["name"] == synthetic.HOSTILE
    for one in dataset["distribution"]:
        assert (report / one["contentUrl"]).is_file()


def braces(text):
    """The depth of braces as BibTeX counts it: a backslash before one changes nothing."""
    depth = 0
    for character in text:
        depth += (character == "{") - (character == "}")
        assert depth >= 0
    return depth


def printed(latex):
    """What LaTeX prints of an escaped text."""
    names = {"backslash": "\\", "braceleft": "{", "braceright": "}", "less": "<", "greater": ">"}
    names |= {"asciitilde": "~", "asciicircum": "^"}
    return re.sub(r"\\(?:text(\w+)\{\}|([#$%&_]))", lambda found: found[2] or names[found[1]], latex)


@pytest.mark.parametrize("text", [synthetic.HOSTILE, r"a_b^2 {open \cite{x} ~ 100 % & #1 $", "}}", "\\", "é ≤ ü"])
def test_latex_prints_a_text_as_it_is(text):
    escaped = templates.latex(text)
    assert braces(escaped) == 0
    assert printed(escaped) == text
    assert not re.search(r"(?<!\\)[#$%&_]|[~^<>]", escaped)


def test_the_bibliography_has_the_report_and_the_software(report):
    entries = {
        head: dict(re.findall(r"^  (\w+) = \{\{?(.*?)\}?\},$", body, re.MULTILINE))
        for head, body in re.findall(
            r"^@(\S+),\n(.*?)^\}$", (report / "cite.bib").read_text(), re.MULTILINE | re.DOTALL
        )
    }
    cited = yaml.safe_load((ROOT / "CITATION.cff").read_text())
    assert entries.keys() == {"misc{thalweg-report-small", "software{thalweg"}
    assert printed(entries["misc{thalweg-report-small"]["title"]) == synthetic.HOSTILE
    software = entries["software{thalweg"]
    assert software["title"] == cited["title"]
    assert software["author"] == cited["authors"][0]["name"]
    assert software["version"] == cited["version"]
    assert software["year"] == str(cited["date-released"].year)


def test_persons_are_cited_by_their_names(monkeypatch, experiment):
    person = {"family-names": "Noether", "given-names": "Emmy", "orcid": "https://orcid.org/0000-0002-1825-0097"}
    cited = {**crate.read_citation(), "authors": [person, {"name": "A & B"}]}
    monkeypatch.setattr(crate, "read_citation", lambda: cited)
    assert r"author = {Noether, Emmy and {A \& B}}," in crate.bibliography(experiment)
    emmy, group = crate.dataset(experiment)["isBasedOn"]["author"]
    assert (emmy["@id"], emmy["@type"], emmy["familyName"]) == (person["orcid"], "Person", "Noether")
    assert (group["@id"], group["@type"], group["name"]) == ("#A%20%26%20B", "Organization", "A & B")
