"""What a claim comes to, before it is judged."""

import math
from collections.abc import Iterable
from typing import NamedTuple


class Finding(NamedTuple):
    """What a claim comes to.

    Attributes:
        effect: A ratio, a difference, a share or a value; NaN where it is not known.
        lower: The lower end of its 95 % interval, NaN for none.
        upper: The upper end of its 95 % interval, NaN for none.
        n: The number of seeds that it was found from.
        cells: The number of pairs of cells that each of these seeds has, 1 where nothing is compared.
        runs: The runs that it was found from.
        lacks: What is missing for a verdict; "" for nothing.
        declared: The number of pairs of cells that the experiment declares.
    """

    effect: float = math.nan
    lower: float = math.nan
    upper: float = math.nan
    n: int = 0
    cells: int = 0
    runs: tuple[str, ...] = ()
    lacks: str = ""
    declared: int = 0


def combine_findings(findings: Iterable[Finding]) -> Finding:
    """Combine the findings on several problems: the fewest seeds, all pairs of cells, all runs, and no effect."""
    findings = list(findings)
    return Finding(
        n=min(finding.n for finding in findings),
        cells=sum(finding.cells for finding in findings),
        runs=tuple(run for finding in findings for run in finding.runs),
        declared=sum(finding.declared for finding in findings),
    )
