"""The templates of reports/, where all text of the pages stands, and how numbers are written in them."""

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
    """The text of a template of reports/. Raises jinja2.UndefinedError for a value that is not there."""
    return _environment().get_template(template).render(**values)


def call(template: str, macro: str, **values: Any) -> str:
    """The text of a macro of a template. Raises jinja2.UndefinedError for a value that is not there."""
    return str(getattr(_environment().get_template(template).make_module(values), macro)())


def page(template: str, place: str, values: Mapping[str, Any]) -> tuple[str, str]:
    """A page and its place in the report, which it is told, with the way from there to the report's folder."""
    return place, render(template, **values, page=place, root="../" * place.count("/"))


def number(value: float | None, digits: int = 3) -> str:
    """A number to three significant digits, as people write it: 0.00123, 4,096, 1.20 × 10⁻⁷, ∞; – for none."""
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
    """A whole number as an exponent: ⁻⁷."""
    return str(power).translate(_SUPERSCRIPTS)


def rate(value: float) -> str:
    """A learning rate, or what else is searched, with all its digits: 0.003, 3 × 10⁻⁵, 0.0123457, 0.99987654."""
    if value == 0 or abs(value) >= 1e-4:
        return f"{value:.12g}".replace("-", "−")
    digits = len(f"{value:.11e}".partition("e")[0].rstrip("0").replace(".", "").lstrip("-"))
    return number(value, digits)


def raw(value: float | None) -> str:
    """A number as a script reads it: all digits, Infinity, and nothing for none."""
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
