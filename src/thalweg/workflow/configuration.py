"""What a user asks for with --config: checked, and read into what the rules use."""

from collections.abc import Collection, Mapping
from pathlib import Path
from typing import Any, NamedTuple

from thalweg.certificate import published
from thalweg.experiment.errors import ExperimentError, suggest
from thalweg.experiment.loading import find, load, load_with_claims
from thalweg.experiment.schema import Experiment
from thalweg.grid import Cell
from thalweg.reporting import paper, sizes
from thalweg.workflow import fingerprints

RULE_OF_SETTING = {"cell": "retrain", "claims": "judge", "sample": "verify", "seed": "verify"}
"""The settings that one rule alone uses."""

SETTINGS = ("experiment", *RULE_OF_SETTING, "incomplete")

CELL_FORM = f"--config cell={'/'.join(Cell._fields).upper()}, or less of it from the right for all cells that begin so"
"""How a user names cells of the grid."""


class Configuration(NamedTuple):
    """What a user asks for.

    `cell` has the names of the cells that `retrain` takes, by axis. `claims` is the file that `judge` takes. `sample`
    (a share, as in `5%`) and `seed` say what `verify` draws from what is published; `sampled_pairs` are the problems
    and optimizers drawn. `unpublished` says why nothing published can be compared with; it is empty where that can be
    done. `fingerprints` are those of the experiment's sections, and `settings` is all that the user gave.
    """

    experiment_file: Path
    experiment: Experiment
    fingerprints: dict[str, Any]
    incomplete: bool
    cell: dict[str, str]
    claims: str
    sample: str
    seed: int
    sampled_pairs: list[tuple[str, str]]
    unpublished: str
    paper_styles: dict[str, sizes.Sizes]
    settings: dict[str, Any]


def read_configuration(settings: Mapping[str, Any], experiments: Path) -> Configuration:
    """Read what a user gives with --config.

    Args:
        settings: The values by name, as Snakemake has parsed them.
        experiments: The folder of experiment files.

    Raises:
        ExperimentError: A setting, the experiment file, a source that it names or a file of claims has mistakes.
    """
    check_settings(settings)
    file = find(experiments, str(settings.get("experiment", "article") or ""))
    experiment = load(file)
    section_fingerprints = fingerprints.of_experiment(experiment)
    # Mistakes in a section `paper` that nobody wrote are told when a paper is asked for.
    if "paper" in experiment.model_fields_set:
        paper.check(experiment)
    cell, claims = (str(settings.get(name) or "") for name in ("cell", "claims"))
    if claims:
        load_with_claims(file, Path(claims))
    sample, seed = str(settings.get("sample", "100%")), settings.get("seed", 1)
    share = published.parse_share(sample)
    if type(seed) is not int:
        raise ExperimentError(f"seed={seed}: must be a whole number")
    pairs, unpublished = _sampled_pairs(experiment, share, seed)
    return Configuration(
        experiment_file=file,
        experiment=experiment,
        fingerprints=section_fingerprints,
        incomplete=settings.get("incomplete") == "yes",
        cell=part_of_grid(experiment, cell) if cell else {},
        claims=claims,
        sample=sample,
        seed=seed,
        sampled_pairs=pairs,
        unpublished=unpublished,
        paper_styles=sizes.read_styles(),
        settings=dict(settings),
    )


def check_settings(settings: Mapping[str, Any]) -> None:
    """Raise ExperimentError for names that are no settings, and where `incomplete` is neither yes nor no."""
    unknown = [f"{name}=: is no setting{suggest(name, SETTINGS)}" for name in settings if name not in SETTINGS]
    if unknown:
        raise ExperimentError(f"--config {'; '.join(unknown)}; there are {', '.join(SETTINGS)}")
    if str(settings.get("incomplete", "no")) not in ("yes", "no"):
        raise ExperimentError(f"--config incomplete={settings['incomplete']}: must be yes or no")


def check_rules(configuration: Configuration, rules: Collection[str]) -> None:
    """Raise ExperimentError where the rules to be run lack a setting, or a setting is of a rule that is not run."""
    experiment, settings, unpublished = configuration.experiment, configuration.settings, configuration.unpublished
    if "retrain" in rules and not configuration.cell:
        raise ExperimentError(f"retrain: of which cell? Write {CELL_FORM}")
    if "judge" in rules and not configuration.claims:
        raise ExperimentError("judge: which claims? Write --config claims=FILE, a YAML file with claims")
    if "paper" in rules:
        paper.check(experiment)
    for name in ("cell", "claims"):
        if settings.get(name) and RULE_OF_SETTING[name] not in rules:
            raise ExperimentError(f"{name}={settings[name]}: {_of_one_rule(name)}")
    if "report" in rules and unpublished and published.published_path(experiment).exists():
        raise ExperimentError(f"report: {unpublished}")
    if "verify" in rules and unpublished:
        raise ExperimentError(f"verify: {unpublished}")
    of_verify = [name for name in ("sample", "seed") if name in settings]
    if of_verify and "verify" not in rules:
        raise ExperimentError(f"{', '.join(of_verify)}=: {_of_one_rule('sample')}")


def _of_one_rule(setting: str) -> str:
    rule = RULE_OF_SETTING[setting]
    return f"is of {rule} alone; write snakemake … {rule} --config …"


def part_of_grid(experiment: Experiment, cell: str) -> dict[str, str]:
    """The names in a user's `cell`, by axis; those that were left out are not among them.

    Raises ExperimentError with every name that the experiment does not have.
    """
    names = cell.split("/")
    grid = experiment.problems.get(names[0])
    known_names = {
        "problem": list(experiment.problems),
        "optimizer": list(experiment.optimizers),
        "schedule": list(experiment.schedules),
        "batch_size": [str(size) for size in grid.batch_sizes] if grid else names[3:],
    }
    mistakes = [
        f"{name!r} is not among the {axis.replace('_', ' ')}s ({', '.join(known)}){suggest(name, known)}"
        for (axis, known), name in zip(known_names.items(), names, strict=False)
        if name not in known
    ]
    if len(names) > len(known_names):
        mistakes.append(f"it has {len(names)} parts")
    if mistakes:
        raise ExperimentError(f"cell={cell}: {'; '.join(mistakes)}; write {CELL_FORM}")
    return dict(zip(known_names, names, strict=False))


def _sampled_pairs(experiment: Experiment, share: float, seed: int) -> tuple[list[tuple[str, str]], str]:
    """The problems and optimizers of a sample, and why nothing is published, if so.

    Nothing is drawn from what another experiment by that name has published: its file alone says that it differs.
    """
    try:
        content = published.read_published(experiment)
    except ExperimentError as error:
        return [], str(error)
    if published.configuration_differences(content, experiment):
        return [], ""
    return published.sampled_pairs(content, share, seed), ""
