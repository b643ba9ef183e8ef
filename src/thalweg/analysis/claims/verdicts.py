"""The verdict on a claim, from an effect's interval and the effects for which the claim is true."""

import math
from collections.abc import Iterable
from typing import NamedTuple

from thalweg.analysis.claims.finding import Finding
from thalweg.experiment.claims import Claim, Range


class Region(NamedTuple):
    """The effects for which a claim is true.

    Attributes:
        low: The lower end, -inf for none.
        high: The upper end, inf for none.
        ends_included: Whether the claim is true at the ends too. A comparison's effect has to be beyond the smallest
            effect of interest, so that the ends are not included there.
        no_effect: The effect that is none, of a comparison; NaN where a value is expected in a range.
    """

    low: float
    high: float
    ends_included: bool
    no_effect: float = math.nan


class Verdict(NamedTuple):
    """`holds`, `fails` or `undecided`, and the reason."""

    verdict: str
    reason: str


def find_region(claim: Claim) -> Region:
    """Find the effects for which the claim is true.

    A ratio that is higher by 25 % is at least 1.25, and one that is lower by 25 % is at most 0.75.
    """
    if isinstance(claim.expect, Range):
        low, high = claim.expect.low, claim.expect.high
        return Region(-math.inf if low is None else low, math.inf if high is None else high, True)
    no_effect = claim.measure.no_effect
    amount = claim.smallest_effect.amount if claim.smallest_effect else 0.0
    ends = {
        "lower": (-math.inf, no_effect - amount),
        "higher": (no_effect + amount, math.inf),
        "same": (no_effect - amount, no_effect + amount),
    }
    return Region(*ends[claim.expect], False, no_effect)


def judge(finding: Finding, region: Region) -> Verdict:
    """Judge a claim by the 95 % interval of its effect, and by the region in which the claim is true.

    It `holds` where the interval lies wholly in the region, `fails` where it lies wholly outside, and is `undecided`
    otherwise. A comparison that fails does so because the effect is smaller than the smallest of interest in both
    directions (`equivalent`; `smaller` where the direction is the one claimed), has the other direction (`opposite`),
    or is too small if it has the direction claimed (`short`).
    """
    lower, upper = finding.lower, finding.upper
    if finding.lacks:
        return Verdict("undecided", finding.lacks)
    if math.isnan(lower) or math.isnan(upper):
        return Verdict("undecided", "too few seeds")
    compares = not math.isnan(region.no_effect)
    if _is_within(lower, upper, region):
        return Verdict("holds", "beyond" if compares else "in range")
    if _is_outside(lower, upper, region):
        return Verdict("fails", _explain_failure(lower, upper, region) if compares else "out of range")
    return Verdict("undecided", "interval too wide")


def combine_verdicts(verdicts: Iterable[Verdict]) -> Verdict:
    """Judge a claim about several problems by the verdicts on each.

    It `holds` if it holds on every problem, and `fails` if it fails on every one. A false verdict then needs one on
    the problem where it is least likely, so that it is as rare as on a single problem, or rarer, without a correction
    for their number (Berger 1982, Multiparameter hypothesis testing and acceptance sampling).
    """
    verdicts = list(verdicts)
    names = {verdict.verdict for verdict in verdicts}
    if len(names) == 1 and "undecided" not in names:
        return Verdict(names.pop(), "on every problem")
    if {"holds", "fails"} <= names:
        return Verdict("undecided", "differs between problems")
    return next(verdict for verdict in verdicts if verdict.verdict == "undecided")


def _is_within(lower: float, upper: float, region: Region) -> bool:
    if region.ends_included:
        return region.low <= lower and upper <= region.high
    # An infinite end of the region is none. An effect of -inf is lower than any bound, and so within.
    return (math.isinf(region.low) or region.low < lower) and (math.isinf(region.high) or upper < region.high)


def _is_outside(lower: float, upper: float, region: Region) -> bool:
    if region.ends_included:
        return upper < region.low or lower > region.high
    return upper <= region.low or lower >= region.high


def _explain_failure(lower: float, upper: float, region: Region) -> str:
    if math.isfinite(region.low) and math.isfinite(region.high):
        return "different"
    claims_lower, no_effect = math.isfinite(region.high), region.no_effect
    amount = abs((region.high if claims_lower else region.low) - no_effect)
    in_direction = upper < no_effect if claims_lower else lower > no_effect
    in_other_direction = lower > no_effect if claims_lower else upper < no_effect
    if in_direction:
        return "smaller"
    if no_effect - amount <= lower and upper <= no_effect + amount:
        return "equivalent"
    return "opposite" if in_other_direction else "short"
