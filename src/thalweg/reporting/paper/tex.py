"""The templates of reports/paper/, and how texts and numbers are written in LaTeX.

Their marks are `<< … >>`, `<% … %>` and `<# … #>`, since LaTeX has braces. Whatever a template puts out is escaped, but
for what is `Tex` already.
"""

import re
import unicodedata
from functools import cache
from typing import Any

import jinja2

from thalweg import templates
from thalweg.paths import PAPER_TEMPLATES, TEMPLATES

MAX_UNBROKEN_LETTERS = 12
"""How many letters of a name stand together at most, before a line may break."""

_POWERS = str.maketrans("⁻⁰¹²³⁴⁵⁶⁷⁸⁹", "-0123456789")
_IN_MATHEMATICS = {
    **{"×": r"\times", "≤": r"\le", "≥": r"\ge", "−": "-", "≠": r"\ne", "±": r"\pm", "∞": r"\infty", "·": r"\cdot"},
    **{"α": r"\alpha", "β": r"\beta", "ε": r"\epsilon", "τ": r"\tau", "σ": r"\sigma", "Σ": r"\Sigma", "√": r"\surd"},
    **{digit: f"^{{{plain}}}" for digit, plain in zip("⁻⁰¹²³⁴⁵⁶⁷⁸⁹", "-0123456789", strict=True)},
    **{"→": r"\to", "≈": r"\approx", "∈": r"\in", "…": r"\ldots", "°": r"^\circ"},
}
_PUNCTUATION = {
    "‘": r"\textquoteleft{}",
    "’": "'",
    "“": r"\textquotedblleft{}",
    "”": r"\textquotedblright{}",
    "–": r"\textendash{}",
    "—": r"\textemdash{}",
}
_COMMANDS = templates.LATEX_COMMANDS | {
    **{"{": r"\{", "}": r"\}", "|": r"\textbar{}", '"': r"\textquotedbl{}", "`": r"\textasciigrave{}"},
}
"""What prints characters of ASCII in the T1 fonts of a paper."""

_DOUBLED = re.compile(r"([-',])(?=\1)")
"""Signs of which T1 fonts make another one where two stand together."""


class Tex(str):
    """A text that is LaTeX already."""


def escaped(value: object) -> Tex:
    """A text as LaTeX prints it, whatever it holds. What Debian's pdfLaTeX has no letter for is named by its number."""
    text = "".join(map(_escape_letter, " ".join(str(value).split())))
    return Tex(_DOUBLED.sub(r"\1{}", text))


def _escape_letter(letter: str) -> str:
    if letter in _IN_MATHEMATICS:
        return rf"\ensuremath{{{_IN_MATHEMATICS[letter]}}}"
    if letter.isascii():
        return _COMMANDS.get(letter, letter) if letter.isprintable() else ""
    if letter in _PUNCTUATION:
        return _PUNCTUATION[letter]
    if "À" <= letter <= "ÿ":
        return letter
    plain = unicodedata.normalize("NFKD", letter)
    return "".join(map(_escape_letter, plain)) if plain.isascii() else f"[U+{ord(letter):04X}]"


def breakable(name: object) -> Tex:
    """A name that a line may break: after underscores, and where no one else would break it."""
    pieces, length = [], 0
    for letter in str(name):
        length = 0 if letter in "_ " else length + 1
        pieces.append(escaped(letter) if letter != " " else " ")
        if letter == "_" or length == MAX_UNBROKEN_LETTERS:
            pieces.append(Tex(r"\allowbreak{}"))
            length = 0
    return Tex("".join(pieces))


def breakable_command(name: str) -> tuple[str, Tex]:
    """The name of a command, and how it is shown: a line may break before its capitals."""
    shown = "".join(rf"\allowbreak{{}}{letter}" if letter.isupper() else letter for letter in name)
    return name, Tex(rf"\textbackslash{{}}{shown}")


def worded(text: object) -> Tex:
    """A sentence; of its words those that no dictionary has may be broken."""
    words = str(text).split()
    return Tex(" ".join(escaped(word) if len(word) <= 2 * MAX_UNBROKEN_LETTERS else breakable(word) for word in words))


def number(value: float | None, digits: int = 3) -> Tex:
    r"""A number to three significant digits, in mathematics: \ensuremath{1.20 \times 10^{-7}}; -- for none."""
    return _in_mathematics(templates.number(value, digits))


def rate(value: float) -> Tex:
    """A learning rate with all its digits."""
    return _in_mathematics(templates.rate(value))


def _in_mathematics(text: str) -> Tex:
    if text == "–":
        return Tex("--")
    mantissa, times, power = text.partition(" × 10")
    mantissa = mantissa.replace("−", "-").replace("∞", r"\infty").replace(",", "{,}")
    power = rf" \times 10^{{{power.translate(_POWERS)}}}" if times else ""
    return Tex(rf"\ensuremath{{{mantissa}{power}}}")


def interval(ends: tuple[float | None, float | None], digits: int = 3) -> Tex:
    """Both ends in brackets; nothing where there are none."""
    low, high = (number(end, digits) for end in ends)
    return Tex("" if low == high == "--" else f"[{low}, {high}]")


def many(count: int, noun: str) -> Tex:
    """A count with its noun: 1 seed, 1,200 runs."""
    return Tex(f"{count:,} {escaped(noun)}{'' if count == 1 else 's'}")


def listed(items: list[Any]) -> Tex:
    """Things in a row, with `and` before the last."""
    texts = [item if isinstance(item, Tex) else escaped(item) for item in items]
    return Tex(" and ".join([", ".join(texts[:-1]), texts[-1]]) if len(texts) > 1 else "".join(texts))


def spoken(name: object) -> str:
    """A name without its underscores."""
    return str(name).replace("_", " ")


def render(template: str, **values: Any) -> Tex:
    """The text of a template of reports/paper/. Raises jinja2.UndefinedError for a value that is not there."""
    return Tex(_environment().get_template(template).render(**values))


def _put_out(value: Any) -> Any:
    return value if isinstance(value, Tex | jinja2.Undefined) else escaped(value)


@cache
def _environment() -> jinja2.Environment:
    environment = jinja2.Environment(
        loader=jinja2.FileSystemLoader([PAPER_TEMPLATES, TEMPLATES]),
        undefined=jinja2.StrictUndefined,
        finalize=_put_out,
        variable_start_string="<<",
        variable_end_string=">>",
        block_start_string="<%",
        block_end_string="%>",
        comment_start_string="<#",
        comment_end_string="#>",
        trim_blocks=True,
        lstrip_blocks=True,
        keep_trailing_newline=True,
    )
    environment.filters |= {"number": number, "rate": rate, "interval": interval, "many": many, "listed": listed}
    environment.filters |= {"tex": Tex, "breakable": breakable, "worded": worded, "spoken": spoken}
    return environment
