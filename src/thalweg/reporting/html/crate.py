"""What a report says of itself to other programs: an RO-Crate, JSON-LD for search engines, and BibTeX.

The crate follows RO-Crate 1.1 (https://w3id.org/ro/crate/1.1) with the profile Workflow Run Crate 0.5
(https://w3id.org/ro/wfrun/workflow/0.5): an action made the report by the workflow from the experiment. Copies of both
lie in the report, since a crate holds what it speaks of.

No clock is read. The date of publication, which RO-Crate demands, is that on which the software was released.
"""

from collections.abc import Iterable
from functools import cache
from pathlib import Path
from typing import Any
from urllib.parse import quote

import yaml

from thalweg import templates
from thalweg.analysis import TABLES
from thalweg.experiment.schema import Experiment
from thalweg.paths import PROJECT
from thalweg.reporting import SUMS
from thalweg.reporting.html import checksums
from thalweg.results import digests

SNAKEFILE = "source/Snakefile"
RULES = "source/workflow/"
EXPERIMENTS = "source/experiments/"
CELLS = "cells/"
CRATE = "ro-crate-metadata.json"
ENCODING = {
    ".html": "text/html",
    ".css": "text/css",
    ".js": "text/javascript",
    ".svg": "image/svg+xml",
    ".pdf": "application/pdf",
    ".csv": "text/csv",
    ".json": "application/json",
    ".bib": "application/x-bibtex",
    ".yaml": "application/yaml",
    ".py": "text/x-python",
}
"""Media types by ending. Python's own are read from the system, and differ between systems."""

PROFILES = {
    "https://w3id.org/ro/wfrun/process/0.5": ("Process Run Crate", "0.5"),
    "https://w3id.org/ro/wfrun/workflow/0.5": ("Workflow Run Crate", "0.5"),
    "https://w3id.org/workflowhub/workflow-ro-crate/1.0": ("Workflow RO-Crate", "1.0"),
}
SNAKEMAKE = "https://w3id.org/workflowhub/workflow-ro-crate#snakemake"

Entity = dict[str, Any]
"""A node of JSON-LD."""


@cache
def software() -> dict[str, Any]:
    """What CITATION.cff says."""
    cited: dict[str, Any] = yaml.safe_load((PROJECT / "CITATION.cff").read_text(encoding="utf-8"))
    return cited


def sources(experiment: Experiment) -> dict[str, Path]:
    """What a report was made from, by its place in the report: the workflow, the experiment and its problems."""
    rules = sorted((PROJECT / "workflow").rglob("*.smk"))
    problems = [experiment.problem_file(name) for name in experiment.problems]
    return {
        SNAKEFILE: PROJECT / "Snakefile",
        **{RULES + file.relative_to(PROJECT / "workflow").as_posix(): file for file in rules},
        **{
            EXPERIMENTS + file.relative_to(experiment.directory).as_posix(): file
            for file in (experiment.file, *problems)
        },
    }


def bibliography(experiment: Experiment) -> str:
    """BibTeX entries for the report and for the software that made it."""
    return templates.render("cite.bib", experiment=experiment, software=software())


def dataset(experiment: Experiment) -> Entity:
    """The report as schema.org's Dataset, its tables as what can be downloaded of it."""
    return {
        "@context": "https://schema.org",
        "@type": "Dataset",
        **_title(experiment),
        "license": _license(),
        "isBasedOn": {"@type": "SoftwareSourceCode", **_code(), "license": _license(), "author": _authors()},
        "distribution": [
            {
                "@type": "DataDownload",
                "name": name,
                "encodingFormat": ENCODING[".csv"],
                "contentUrl": f"tables/{name}.csv",
            }
            for name in TABLES
        ],
    }


def metadata(experiment: Experiment, report: Path, values: dict[str, Any]) -> Entity:
    """The content of ro-crate-metadata.json. `values` is what the pages show (see pages.context).

    The pages of cells stand as one folder; each of them has its checksum in SHA256SUMS. What a clock measured has
    neither size nor checksum here, so that the crate is the same whenever the same results are reported.
    """
    given = list(sources(experiment))
    made = [place for place in checksums.files(report) if not place.startswith(("source/", CELLS)) and place != CRATE]
    graph = [
        *_root(experiment, [*given, *made, CELLS, *SUMS]),
        *_action(experiment, [place for place in given if place.startswith(EXPERIMENTS)], [*made, CELLS, *SUMS]),
        *_workflow(report, [place for place in given if place.startswith(RULES)], values["environments"]),
        *_inputs(experiment, report),
        *_outputs(report, made, values),
    ]
    return {
        "@context": ["https://w3id.org/ro/crate/1.1/context", {"sha256": "http://schema.org/sha256"}],
        "@graph": graph,
    }


def _root(experiment: Experiment, parts: list[str]) -> list[Entity]:
    """The crate's description of itself, and the dataset that the report is."""
    described = {
        "@id": CRATE,
        "@type": "CreativeWork",
        "about": {"@id": "./"},
        "conformsTo": _all(["https://w3id.org/ro/crate/1.1", "https://w3id.org/workflowhub/workflow-ro-crate/1.0"]),
    }
    root = {
        "@id": "./",
        "@type": "Dataset",
        **_title(experiment),
        "license": {"@id": _license()},
        "conformsTo": _all(PROFILES),
        "hasPart": _all(parts),
        "mainEntity": {"@id": SNAKEFILE},
        "mentions": {"@id": "#run"},
    }
    profiles = [
        {"@id": profile, "@type": "CreativeWork", "name": name, "version": version}
        for profile, (name, version) in PROFILES.items()
    ]
    licence = {"@id": _license(), "@type": "CreativeWork", "name": software()["license"], "url": _license()}
    return [described, root, *profiles, licence]


def _action(experiment: Experiment, given: list[str], made: list[str]) -> list[Entity]:
    """That the workflow made the report from the experiment. By whom and when is recorded nowhere."""
    action = {
        "@id": "#run",
        "@type": "CreateAction",
        "name": f"snakemake --config experiment={experiment.name}",
        "instrument": {"@id": SNAKEFILE},
        "object": _all(given),
        "result": _all(made),
    }
    return [action]


def _workflow(report: Path, rules: list[str], environments: list[dict[str, Any]]) -> list[Entity]:
    """The Snakefile with its rules, its authors and every version of the software that runs were trained by."""
    authors, versions = _authors(), _versions(environments)
    workflow = {
        **_file(report, SNAKEFILE),
        "@type": ["File", "SoftwareSourceCode", "ComputationalWorkflow"],
        **_code(),
        "license": {"@id": _license()},
        "author": _all(author["@id"] for author in authors),
        "programmingLanguage": {"@id": SNAKEMAKE},
        "hasPart": _all(rules),
        "input": {"@id": "#experiment"},
        "softwareRequirements": _all(version["@id"] for version in versions),
    }
    language = {
        "@id": SNAKEMAKE,
        "@type": "ComputerLanguage",
        "name": "Snakemake",
        "identifier": {"@id": "https://snakemake.github.io"},
        "url": {"@id": "https://snakemake.github.io"},
    }
    return [workflow, language, *authors, *versions, *(_file(report, rule) for rule in rules)]


def _inputs(experiment: Experiment, report: Path) -> list[Entity]:
    """The experiment file, which the workflow takes as its one parameter, and the problems that it names."""
    file = f"{EXPERIMENTS}{experiment.file.name}"
    parameter = {
        "@id": "#experiment",
        "@type": "FormalParameter",
        "additionalType": "File",
        "name": "experiment",
        "workExample": {"@id": file},
    }
    problems = [_file(report, f"{EXPERIMENTS}problems/{name}.py") for name in experiment.problems]
    return [parameter, {**_file(report, file), "exampleOfWork": {"@id": "#experiment"}}, *problems]


def _outputs(report: Path, made: list[str], values: dict[str, Any]) -> list[Entity]:
    """Pages, figures, tables and what else was written, figures with the words that readers who see none are told."""
    figures = [figure for whole in (values, *values["problems"]) for figure in whole["figures"].values()]
    words = {
        f"{figure['path']}.{form}": {"description": figure["alt"]} for figure in figures for form in ("svg", "pdf")
    }
    files = [{**_file(report, place), **words.get(place, {})} for place in made]
    sums = [{"@id": name, "@type": "File", "name": name, "encodingFormat": "text/plain"} for name in SUMS]
    return [*files, {"@id": CELLS, "@type": "Dataset", "name": CELLS}, *sums]


def _title(experiment: Experiment) -> Entity:
    return {
        "name": experiment.title,
        "description": experiment.description or experiment.title,
        "datePublished": str(software()["date-released"]),
    }


def _code() -> Entity:
    return {"name": software()["title"], "version": software()["version"]}


def _license() -> str:
    return f"https://spdx.org/licenses/{software()['license']}"


def _authors() -> list[Entity]:
    """The software's authors, persons or not."""
    return [
        {"@id": f"#{quote(author['name'])}", "@type": "Organization", "name": author["name"]}
        if "name" in author
        else {
            "@id": author.get("orcid") or f"#{quote(author['given-names'] + ' ' + author['family-names'])}",
            "@type": "Person",
            "givenName": author["given-names"],
            "familyName": author["family-names"],
        }
        for author in software()["authors"]
    ]


def _versions(environments: list[dict[str, Any]]) -> list[Entity]:
    """Every version that runs were trained by. Thalweg's is its commit, marked where files differed from it."""
    used = {(name, one[name.lower()]) for one in environments for name in ("Python", "TensorFlow", "Keras", "NumPy")}
    used |= {("Thalweg", one["commit"] + ("-dirty" if one["dirty"] else "")) for one in environments if one["commit"]}
    return [
        {"@id": f"#{name}-{version}", "@type": "SoftwareApplication", "name": name, "softwareVersion": version}
        for name, version in sorted(used)
    ]


def _file(report: Path, place: str) -> Entity:
    file = report / place
    described = {
        "@id": place,
        "@type": "File",
        "name": place,
        "encodingFormat": ENCODING.get(file.suffix, "text/plain"),
    }
    if checksums.measured(place):
        return described
    return {**described, "contentSize": str(file.stat().st_size), "sha256": digests.file_digest(file)}


def _all(entities: Iterable[str]) -> Entity | list[Entity]:
    """References to entities; RO-Crate wants one alone without a list."""
    references = [{"@id": entity} for entity in entities]
    return references[0] if len(references) == 1 else references
