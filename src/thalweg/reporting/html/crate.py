"""Describe a report to other programs: an RO-Crate, JSON-LD for search engines, and BibTeX.

The crate follows RO-Crate 1.1 (https://w3id.org/ro/crate/1.1) with the profile Workflow Run Crate 0.5
(https://w3id.org/ro/wfrun/workflow/0.5): an action made the report from the experiment by the workflow. Copies of the
workflow and the experiment lie in the report, since a crate contains what it describes.

No clock is read. RO-Crate requires a date of publication; it is the date on which the software was released.

The graph is written by hand, not by the package rocrate: every entity has to be given to it as the same dictionary, so
that it replaces only the descriptor and the lists of references; its version of the specification changes with the
package's; and it brings a client for HTTP, while nothing here may fetch anything.
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
MEDIA_TYPES = {
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
"""Media types by file suffix. Those of Python's mimetypes depend on the system."""

PROFILES = {
    "https://w3id.org/ro/wfrun/process/0.5": ("Process Run Crate", "0.5"),
    "https://w3id.org/ro/wfrun/workflow/0.5": ("Workflow Run Crate", "0.5"),
    "https://w3id.org/workflowhub/workflow-ro-crate/1.0": ("Workflow RO-Crate", "1.0"),
}
SNAKEMAKE = "https://w3id.org/workflowhub/workflow-ro-crate#snakemake"

Entity = dict[str, Any]
"""A node of JSON-LD."""


@cache
def read_citation() -> dict[str, Any]:
    """Read CITATION.cff."""
    citation: dict[str, Any] = yaml.safe_load((PROJECT / "CITATION.cff").read_text(encoding="utf-8"))
    return citation


def sources(experiment: Experiment) -> dict[str, Path]:
    """List the files that a report was made from, workflow, experiment and problems, by their paths in the report."""
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
    """Make the BibTeX entries of the report and of the software that made it."""
    return templates.render("cite.bib", experiment=experiment, software=read_citation())


def dataset(experiment: Experiment) -> Entity:
    """Describe the report as a Dataset of schema.org, with its tables as the downloads."""
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
                "encodingFormat": MEDIA_TYPES[".csv"],
                "contentUrl": f"tables/{name}.csv",
            }
            for name in TABLES
        ],
    }


def metadata(experiment: Experiment, report: Path, values: dict[str, Any]) -> Entity:
    """Make the content of ro-crate-metadata.json.

    The pages of cells are one folder here; SHA256SUMS has the checksum of each. Files with measured times have neither
    size nor checksum, so that the crate is the same whenever the same results are reported.

    Args:
        experiment: The experiment that is reported.
        report: The report's folder, with all files but the crate and the checksums.
        values: What the pages show, from `pages.context`.
    """
    inputs = list(sources(experiment))
    elsewhere = ("source/", CELLS, CRATE)
    outputs = [place for place in checksums.list_files(report) if not place.startswith(elsewhere)]
    graph = [
        *_root(experiment, [*inputs, *outputs, CELLS, *SUMS]),
        *_action(experiment, [place for place in inputs if place.startswith(EXPERIMENTS)], [*outputs, CELLS, *SUMS]),
        *_workflow(report, [place for place in inputs if place.startswith(RULES)], values["environments"]),
        *_inputs(experiment, report),
        *_outputs(report, outputs, values),
    ]
    return {
        "@context": ["https://w3id.org/ro/crate/1.1/context", {"sha256": "http://schema.org/sha256"}],
        "@graph": graph,
    }


def _root(experiment: Experiment, parts: list[str]) -> list[Entity]:
    """Describe the crate itself, the report as its root data set, the profiles and the licence."""
    descriptor = {
        "@id": CRATE,
        "@type": "CreativeWork",
        "about": {"@id": "./"},
        "conformsTo": _references(
            ["https://w3id.org/ro/crate/1.1", "https://w3id.org/workflowhub/workflow-ro-crate/1.0"]
        ),
    }
    root = {
        "@id": "./",
        "@type": "Dataset",
        **_title(experiment),
        "license": {"@id": _license()},
        "conformsTo": _references(PROFILES),
        "hasPart": _references(parts),
        "mainEntity": {"@id": SNAKEFILE},
        "mentions": {"@id": "#run"},
    }
    profiles = [
        {"@id": profile, "@type": "CreativeWork", "name": name, "version": version}
        for profile, (name, version) in PROFILES.items()
    ]
    licence = {"@id": _license(), "@type": "CreativeWork", "name": read_citation()["license"], "url": _license()}
    return [descriptor, root, *profiles, licence]


def _action(experiment: Experiment, inputs: list[str], outputs: list[str]) -> list[Entity]:
    """Describe the action by which the workflow made the report. Who ran it, and when, is recorded nowhere."""
    action = {
        "@id": "#run",
        "@type": "CreateAction",
        "name": f"snakemake --config experiment={experiment.name}",
        "instrument": {"@id": SNAKEFILE},
        "object": _references(inputs),
        "result": _references(outputs),
    }
    return [action]


def _workflow(report: Path, rules: list[str], environments: list[dict[str, Any]]) -> list[Entity]:
    """Describe the Snakefile, its rules and authors, and every version of the software that trained the runs."""
    authors, versions = _authors(), _versions(environments)
    workflow = {
        **_file(report, SNAKEFILE),
        "@type": ["File", "SoftwareSourceCode", "ComputationalWorkflow"],
        **_code(),
        "license": {"@id": _license()},
        "author": _references(author["@id"] for author in authors),
        "programmingLanguage": {"@id": SNAKEMAKE},
        "hasPart": _references(rules),
        "input": {"@id": "#experiment"},
        "softwareRequirements": _references(version["@id"] for version in versions),
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
    """Describe the experiment file, which is the workflow's only parameter, and the files of its problems."""
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


def _outputs(report: Path, places: list[str], values: dict[str, Any]) -> list[Entity]:
    """Describe the files that the workflow wrote; figures carry their alternative text as a description."""
    figures = [figure for whole in (values, *values["problems"]) for figure in whole["figures"].values()]
    alternative_texts = {
        f"{figure['path']}.{form}": {"description": figure["alt"]} for figure in figures for form in ("svg", "pdf")
    }
    files = [{**_file(report, place), **alternative_texts.get(place, {})} for place in places]
    sums = [{"@id": name, "@type": "File", "name": name, "encodingFormat": "text/plain"} for name in SUMS]
    return [*files, {"@id": CELLS, "@type": "Dataset", "name": CELLS}, *sums]


def _title(experiment: Experiment) -> Entity:
    return {
        "name": experiment.title,
        "description": experiment.description or experiment.title,
        "datePublished": str(read_citation()["date-released"]),
    }


def _code() -> Entity:
    return {"name": read_citation()["title"], "version": read_citation()["version"]}


def _license() -> str:
    return f"https://spdx.org/licenses/{read_citation()['license']}"


def _authors() -> list[Entity]:
    """Describe the authors of the software, who may be people or organisations."""
    return [
        {"@id": f"#{quote(author['name'])}", "@type": "Organization", "name": author["name"]}
        if "name" in author
        else {
            "@id": author.get("orcid") or f"#{quote(author['given-names'] + ' ' + author['family-names'])}",
            "@type": "Person",
            "givenName": author["given-names"],
            "familyName": author["family-names"],
        }
        for author in read_citation()["authors"]
    ]


def _versions(environments: list[dict[str, Any]]) -> list[Entity]:
    """Describe every version that trained a run. That of Thalweg is its commit, marked -dirty if files differed."""
    used = {(name, row[name.lower()]) for row in environments for name in ("Python", "TensorFlow", "Keras", "NumPy")}
    used |= {("Thalweg", row["commit"] + ("-dirty" if row["dirty"] else "")) for row in environments if row["commit"]}
    return [
        {"@id": f"#{name}-{version}", "@type": "SoftwareApplication", "name": name, "softwareVersion": version}
        for name, version in sorted(used)
    ]


def _file(report: Path, place: str) -> Entity:
    file = report / place
    entity = {
        "@id": place,
        "@type": "File",
        "name": place,
        "encodingFormat": MEDIA_TYPES.get(file.suffix, "text/plain"),
    }
    if checksums.contains_times(place):
        return entity
    return {**entity, "contentSize": str(file.stat().st_size), "sha256": digests.file_digest(file)}


def _references(entities: Iterable[str]) -> Entity | list[Entity]:
    """Make references to entities by their identifiers. RO-Crate wants a single one without a list around it."""
    references = [{"@id": entity} for entity in entities]
    return references[0] if len(references) == 1 else references
