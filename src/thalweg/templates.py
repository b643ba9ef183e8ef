"""Render the Jinja templates of reports/, which hold all text of the reports, and format the numbers in them."""

import json
import math
from collections.abc import Mapping
from functools import cache
from typing import Any

import jinja2

from thalweg.paths import TEMPLATES

_SUPERSCRIPTS = str.maketrans("-0123456789", "⁻⁰¹²³⁴⁵⁶⁷⁸⁹")
LATEX_COMMANDS = (
    {character: f"\\{character}" for character in "#$%&_"}
    | {"\\": r"\textbackslash{}", "{": r"\textbraceleft{}", "}": r"\textbraceright{}"}
    | {"~": r"\textasciitilde{}", "^": r"\textasciicircum{}", "<": r"\textless{}", ">": r"\textgreater{}"}
)
"""The commands that print these characters. Braces are commands, since BibTeX counts even those behind a backslash."""

_LATEX = str.maketrans(LATEX_COMMANDS)


def render(template: str, **values: Any) -> str:
    """Render a template of reports/ with the values that it names.

    Raises:
        jinja2.UndefinedError: The template uses a value that was not passed.
    """
    return _environment().get_template(template).render(**values)


def call(template: str, macro: str, **values: Any) -> str:
    """Render one macro, without arguments, of a template that sees the values.

    Raises:
        jinja2.UndefinedError: The macro uses a value that was not passed.
    """
    return str(getattr(_environment().get_template(template).make_module(values), macro)())


def render_page(template: str, place: str, values: Mapping[str, Any]) -> tuple[str, str]:
    """Render a page of a report, and return its path with its text.

    Args:
        template: The template's path in reports/.
        place: The page's path in the report, with slashes. The template sees it as `page`, and as `root` the relative
            path from the page back to the report's folder.
        values: What else the template uses.
    """
    return place, render(template, **values, page=place, root="../" * place.count("/"))


def number(value: float | None, digits: int = 3) -> str:
    """Format a number for readers: 0.00123, 4,096, 1.20 × 10⁻⁷, ∞; a dash for None and NaN."""
    if value is None or math.isnan(value):
        return "–"
    if math.isinf(value):
        return "∞" if value > 0 else "−∞"
    if value == 0:
        return "0"
    mantissa, _, exponent = f"{value:.{digits - 1}e}".partition("e")
    power = int(exponent)
    plain = -4 <= power < 6
    text = f"{value:,.{max(0, digits - 1 - power)}f}" if plain else f"{mantissa} × 10{superscript(power)}"
    return text.replace("-", "−")


def superscript(power: int) -> str:
    """Format a whole number as an exponent: ⁻⁷."""
    return str(power).translate(_SUPERSCRIPTS)


def rate(value: float) -> str:
    """Format a learning rate or another hyperparameter with up to 12 digits: 0.003, 3 × 10⁻⁵, 0.0123457."""
    if value == 0 or abs(value) >= 1e-4:
        return f"{value:.12g}".replace("-", "−")
    digits = len(f"{value:.11e}".partition("e")[0].rstrip("0").replace(".", "").lstrip("-"))
    return number(value, digits)


def raw(value: float | None) -> str:
    """Format a number for JavaScript: all digits, Infinity, and an empty text for None and NaN."""
    if value is None or math.isnan(value):
        return ""
    return repr(float(value)).replace("inf", "Infinity")


def latex(value: object) -> str:
    """Escape a text for LaTeX, on one line."""
    return " ".join(str(value).split()).translate(_LATEX)


@cache
def _environment() -> jinja2.Environment:
    environment = jinja2.Environment(
        loader=jinja2.FileSystemLoader(TEMPLATES),
        autoescape=jinja2.select_autoescape(),
        undefined=jinja2.StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        keep_trailing_newline=True,
    )
    environment.filters |= {"number": number, "rate": rate, "raw": raw, "from_json": json.loads}
    environment.filters |= {"python": repr, "latex": latex}
    return environment
