"""The tables of claims: a row a claim, and beneath one about several problems a row for each of them."""

import math
from collections.abc import Callable, Mapping
from typing import Any

import pandas as pd

from thalweg.analysis.claims.effects import find_effect
from thalweg.analysis.claims.finding import Finding, combine_findings
from thalweg.analysis.claims.pairing import count_declared_pairs
from thalweg.analysis.claims.runs import Results
from thalweg.analysis.claims.verdicts import Verdict, combine_verdicts, find_region, judge
from thalweg.experiment.claims import Claim
from thalweg.experiment.schema import Experiment

COLUMNS = {
    "claim": str,
    "problem": object,
    "verdict": str,
    "reason": str,
    "effect": float,
    "lower": float,
    "upper": float,
    "at_least": float,
    "at_most": float,
    "unit": str,
    "n": int,
    "cells": int,
    "declared": int,
    "runs": str,
}
"""The columns of a table of claims, in order, with their types."""


def build_table(experiment: Experiment, results: Results) -> pd.DataFrame:
    """Build the table of all claims in which no clock has a part, in the order of the experiment file."""
    claims = {name: claim for name, claim in experiment.claims.items() if not claim.measure.is_in_seconds}
    return tabulate(experiment, claims, lambda claim: find_effect(experiment, claim, results))


def tabulate(experiment: Experiment, claims: Mapping[str, Claim], find: Callable[[Claim], Finding]) -> pd.DataFrame:
    """Judge claims, and make a row a claim, whose `problem` is null.

    A claim about several problems has no effect as a whole. Beneath it is a row for each problem.

    Args:
        experiment: The experiment whose problems the claims may leave open.
        claims: The claims by name.
        find: Finds what a claim about one problem comes to.
    """
    rows = []
    for name, claim in claims.items():
        region = find_region(claim)
        findings = {problem: find(part) for problem, part in split_by_problem(experiment, claim).items()}
        verdicts = {problem: judge(finding, region) for problem, finding in findings.items()}
        if None not in findings:
            whole = combine_findings(findings.values())
            rows.append(_make_row(name, claim, None, whole, combine_verdicts(verdicts.values())))
        rows += [_make_row(name, claim, problem, findings[problem], verdicts[problem]) for problem in findings]
    return pd.DataFrame(rows, columns=list(COLUMNS)).astype(COLUMNS)


def _make_row(name: str, claim: Claim, problem: str | None, finding: Finding, verdict: Verdict) -> dict[str, Any]:
    region = find_region(claim)
    return {
        "claim": name,
        "problem": problem,
        **verdict._asdict(),
        "effect": finding.effect,
        "lower": finding.lower,
        "upper": finding.upper,
        "at_least": region.low if math.isfinite(region.low) else math.nan,
        "at_most": region.high if math.isfinite(region.high) else math.nan,
        "unit": name_unit(claim),
        "n": finding.n,
        "cells": finding.cells,
        "declared": finding.declared,
        "runs": " ".join(finding.runs),
    }


def split_by_problem(experiment: Experiment, claim: Claim) -> dict[str | None, Claim]:
    """Split a claim about several problems into one about each; one about a single problem stays, under None."""
    if claim.compare is not None and "problem" not in dict(claim.compare.fixed):
        comparisons = {
            name: claim.compare._replace(fixed=(("problem", name), *claim.compare.fixed))
            for name in experiment.problems
        }
        updates: dict[str, dict[str, Any]] = {
            name: {"compare": compare}
            for name, compare in comparisons.items()
            if count_declared_pairs(experiment, compare)
        }
    elif claim.of is not None and claim.of.factor is not None and claim.of.problem is None:
        updates = {name: {"of": claim.of.model_copy(update={"problem": name})} for name in experiment.problems}
    else:
        updates = {}
    if len(updates) < 2:
        return {None: claim}
    return {name: claim.model_copy(update=update) for name, update in updates.items()}


def name_unit(claim: Claim) -> str:
    """Name what the effect is: a ratio, a difference of shares, a share, or a value in the measure's own unit."""
    if claim.compare is not None:
        return claim.measure.effect
    return "share" if claim.measure.is_share else "value"
