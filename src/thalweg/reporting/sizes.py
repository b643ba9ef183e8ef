"""How large figures are drawn: four numbers for the screen, and for each style of a paper those of styles.yaml."""

from pathlib import Path
from typing import Annotated

from pydantic import BaseModel, ConfigDict, Field, TypeAdapter, ValidationError

from thalweg.experiment import yaml_file
from thalweg.experiment.errors import ExperimentError, format_mistakes
from thalweg.paths import PAPER_TEMPLATES

STYLES = PAPER_TEMPLATES / "styles.yaml"
MIN_FONT = 6
"""The smallest letters that can be read in print, in points."""

Inches = Annotated[float, Field(gt=0, le=100)]
Points = Annotated[float, Field(ge=MIN_FONT, le=72)]


class Sizes(BaseModel):
    """The width of a figure and its greatest height in inches, its letters and its small print in points."""

    model_config = ConfigDict(extra="forbid", frozen=True)
    width: Inches
    height: Inches
    font: Points
    small: Points


SCREEN = Sizes(width=9, height=100, font=8, small=7)
"""864 CSS pixels, about the width of the report's column; a page may be as long as it likes."""


def read_styles(file: Path = STYLES) -> dict[str, Sizes]:
    """Read the styles of a paper, by name.

    Raises:
        ExperimentError: A style is not four numbers of sense; the message has every mistake.
    """
    try:
        named, _ = yaml_file.read(file)
        return TypeAdapter(dict[str, Sizes]).validate_python(named)
    except OSError as error:
        raise ExperimentError(f"{file}: {error.strerror}") from None
    except yaml_file.YamlFileError as error:
        mistakes = [f"line {line}: {text}" for line, text in error.mistakes]
    except ValidationError as error:
        mistakes = [
            f"{yaml_file.format_location(mistake['loc'])}: {mistake['msg']}"
            for mistake in error.errors(include_url=False)
        ]
    raise ExperimentError(format_mistakes(file, mistakes))
