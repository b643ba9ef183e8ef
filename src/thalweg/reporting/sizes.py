"""How large figures are drawn: four numbers for the screen, and for each style of a paper those of styles.yaml."""

from pathlib import Path
from typing import Annotated

import yaml
from pydantic import BaseModel, ConfigDict, Field, TypeAdapter

STYLES = Path(__file__).parents[3] / "reports/paper/styles.yaml"
SMALLEST = 6
"""Points. What is smaller is not read in print."""

Inches = Annotated[float, Field(gt=0, le=100)]
Points = Annotated[float, Field(ge=SMALLEST, le=72)]


class Sizes(BaseModel):
    """The width of a figure and its greatest height in inches, its letters and its small print in points."""

    model_config = ConfigDict(extra="forbid", frozen=True)
    width: Inches
    height: Inches
    font: Points
    small: Points


SCREEN = Sizes(width=9, height=100, font=8, small=7)
"""864 CSS pixels, about the width of the report's column; a page may be as long as it likes."""


def styles(file: Path = STYLES) -> dict[str, Sizes]:
    """The styles of a paper by name. Raises pydantic.ValidationError for a style that is not four such numbers."""
    named = yaml.safe_load(file.read_text(encoding="utf-8"))
    return TypeAdapter(dict[str, Sizes]).validate_python(named)
