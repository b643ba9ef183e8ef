"""How results stand to what their experiment has published, as plain data for pages."""

import math
from pathlib import Path
from typing import Any

import pandas as pd

from thalweg.certificate import comparison
from thalweg.certificate.published import Certificate, Setting, file_of, read, settings
from thalweg.experiment.schema import Experiment


def standing(experiment: Experiment, tables: dict[str, pd.DataFrame], results: Path) -> dict[str, Any] | None:
    """How all runs of finished results stand to the published ones; None where nothing is published.

    Raises ExperimentError where the published file cannot be read.
    """
    if not file_of(experiment).is_file():
        return None
    published = read(experiment)
    found = comparison.compare(published, experiment, results, tables["runs"], tables["provenance"])
    return described(published, found)


def described(published: Certificate, found: comparison.Comparison) -> dict[str, Any]:
    """What was published and what came of comparing with it, as JSON. What is infinite is null there."""
    return {
        "published_runs": sum(len(setting.seeds) for setting in settings(published)),
        "published_cells": len(published["cells"]),
        "published_in": published["surroundings"],
        "commits": published["commits"],
        "verdict": found.verdict,
        "reproduced": found.reproduced,
        "other_software": found.other_software,
        "asked": found.asked,
        "identical": found.identical,
        "missing": found.missing,
        "configuration": [_place(*one) for one in found.configuration],
        "surroundings": [_place(*one) for one in found.surroundings],
        "inconsistent": [_place(*one) for one in found.inconsistent],
        "different": [
            {**_setting(one.setting), "seed": one.seed, **{name: getattr(one, name) for name in one._fields[2:]}}
            for one in found.different
        ],
        "headlines": [
            {
                **_setting(one.setting),
                "name": one.name,
                **{
                    name: None if math.isinf(value) else value
                    for name, value in zip(("published", "lower", "upper"), one.published, strict=True)
                },
                "here": None if math.isinf(one.here) else one.here,
                "verdict": one.verdict,
            }
            for one in found.headlines
        ],
    }


def _place(name: str, published: Any, here: Any) -> dict[str, Any]:
    return {"name": name, "published": str(published), "here": str(here)}


def _setting(setting: Setting) -> dict[str, Any]:
    return {
        "stage": setting.stage,
        "reproduction": setting.reproduction,
        **setting.cell._asdict(),
        "learning_rate": setting.trial.learning_rate,
        "hyperparameters": dict(setting.trial.hyperparameters),
    }
