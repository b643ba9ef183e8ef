"""Colours, dashes and markers of all figures. Importing it loads no drawing library."""

from collections.abc import Iterable
from typing import Any, NamedTuple

INK = "#1b1f24"
MUTED = "#5b636e"
GRID = "#dfe3e8"
COLOURS = ("#0072b2", "#d55e00", "#009e73", "#b8578f", "#8a7300", "#6f6f78")
"""Okabe and Ito's blue, vermillion, green and purple, the purple darkened, then a dark yellow and a grey.

All keep 3:1 against a white page.
"""
DARK = {INK: "#e8ebef", MUTED: "#a3acb8", GRID: "#343b45"} | dict(
    zip(COLOURS, ("#45a5e0", "#ff8a3d", "#2fc498", "#e291c3", "#cdb23a", "#adadb8"), strict=True)
)
"""What each colour becomes on a dark page: the same hue, lighter."""

DASHES: tuple[Any, ...] = ("", (5, 1.5), (1.5, 1.2), (6, 1.5, 1.5, 1.5), (9, 2), (3, 1, 1, 1, 1, 1))
"""On and off lengths in line widths; empty for a solid line."""
MARKERS = ("o", "s", "^", "D", "v", "P")


class LineStyle(NamedTuple):
    """How one optimizer is drawn, in every figure."""

    colour: str
    dash: Any
    marker: str

    @property
    def linestyle(self) -> Any:
        """The dash as matplotlib takes it."""
        return (0, self.dash) if self.dash else "-"


def line_styles(names: Iterable[str]) -> dict[str, LineStyle]:
    """Give each name a style by its place. After six names the colours repeat, with other dashes and markers."""
    return {
        name: LineStyle(COLOURS[k % 6], DASHES[(k + k // 6) % 6], MARKERS[(k + 2 * (k // 6)) % 6])
        for k, name in enumerate(names)
    }
