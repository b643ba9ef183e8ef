"""What jobs are made from, as values that change whenever a job's result may.

Snakemake sees neither the modules that a job imports nor which sections of the experiment file it uses. So each rule
has a parameter `fingerprint`, a digest of both: when it changes, Snakemake runs the job again.
"""

import importlib.metadata
from collections.abc import Callable
from pathlib import Path
from typing import Any

from thalweg.experiment.errors import ExperimentError, format_mistakes
from thalweg.experiment.schema import Experiment, own_fingerprints
from thalweg.hashing import digest
from thalweg.identity import class_source, module_digest, quantity_digests, software, source_digest
from thalweg.results.digests import file_digest


def of_job(module: str, *inputs: Any) -> str:
    """The fingerprint of a job: a digest of its `python -m` module, with what that imports, and of inputs as JSON."""
    return digest([module_digest(module), *inputs])


def of_experiment(experiment: Experiment) -> dict[str, Any]:
    """The fingerprints of an experiment's sections, as JSON: what each says, with the digests of sources that it names.

    Beside the sections of the file there are `timing` (the problems that are timed), `quantities` (the sources of what
    each problem records), `software` (what computes) and `environment` (see `environment_fingerprint`).

    Raises:
        ExperimentError: Sources are missing or cannot be read; the message names all of them.
    """
    mistakes = []

    def source(key: str, read: Callable[..., str | None], *arguments: Any) -> str | None:
        try:
            return read(*arguments, experiment.directory)
        except SyntaxError as error:
            mistakes.append(f"{key}: {error.filename}, line {error.lineno}: {error.msg}")
        except (RecursionError, MemoryError):
            mistakes.append(f"{key}: its source is nested too deeply")
        except (ImportError, OSError, ValueError) as error:
            mistakes.append(f"{key}: {error}")
        return None

    apart = own_fingerprints()
    problems = dict.fromkeys(experiment.problems, apart)
    plain = experiment.model_dump(mode="json", exclude={"directory": True, "problems": problems})
    sources: dict[str, dict[str, str | None]] = {
        "problems": {
            name: source(f"problems.{name}", source_digest, experiment.problem_file(name))
            for name in experiment.problems
        },
        **{
            section: {
                name: source(f"{section}.{name}.class", class_source, entry.class_name)
                for name, entry in getattr(experiment, section).items()
            }
            for section in ("optimizers", "schedules")
        },
        # A kind of measure is found by its place, so that no job imports its module by name.
        "claims": {name: module_digest(type(claim.measure).__module__) for name, claim in experiment.claims.items()},
    }
    try:
        environment = environment_fingerprint(experiment.directory)
    except OSError as error:
        mistakes.append(f"{error.filename}: {error.strerror}; a problem may read what lies beside its experiment")
    if mistakes:
        raise ExperimentError(format_mistakes(experiment.file, mistakes))
    return {
        **plain,
        **{
            section: {name: [plain[section][name], code] for name, code in codes.items()}
            for section, codes in sources.items()
        },
        "quantities": {name: quantity_digests(grid.record) for name, grid in experiment.problems.items()},
        **{key: [name for name, grid in experiment.problems.items() if getattr(grid, key)] for key in sorted(apart)},
        "software": software(),
        "environment": environment,
    }


def environment_fingerprint(directory: Path) -> str:
    """Digest of what a problem may be made of beside its own code: the other files beside the experiment, such as data,
    and the version of every installed package."""
    files = [
        file
        for file in sorted(directory.rglob("*"))
        if file.is_file() and not file.name.endswith((".yaml", ".pyc", ".published.json"))
    ]
    versions = {package.name: package.version for package in importlib.metadata.distributions()}
    return digest([_contents(directory, files), versions])


def of_folder(folder: Path) -> str:
    """Digest of the files in a folder, such as the report's templates, by their names and content."""
    return digest(_contents(folder, sorted(file for file in folder.rglob("*") if file.is_file())))


def _contents(folder: Path, files: list[Path]) -> list[list[str]]:
    return [[str(file.relative_to(folder)), file_digest(file)] for file in files]
