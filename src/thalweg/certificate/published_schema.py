"""The schema of a published file.

The file comes from elsewhere, and may have been cut off, merged or edited by hand. A file that is not whole, or lacks
something that its own configuration asks for, is rejected before it is used, with the path of the first mistake.
"""

import json
from itertools import product
from typing import Annotated, Any, Self

from pydantic import BaseModel, ConfigDict, Field, ValidationError, model_validator

MAX_FLOAT32 = 3.4028235e38
"""The largest number of single precision, in which all published numbers are."""

Number = Annotated[float, Field(ge=-MAX_FLOAT32, le=MAX_FLOAT32)]
Numbers = list[Number | None]
Headline = Annotated[Numbers, Field(min_length=3, max_length=3)]
Digests = Annotated[str, Field(pattern=r"^[0-9a-f]{8}( [0-9a-f]{8})*$")]
Name = Annotated[str, Field(pattern=r"^\w+$")]
Seeds = Annotated[list[int], Field(min_length=1)]


class _Part(BaseModel):
    model_config = ConfigDict(strict=True, extra="forbid", hide_input_in_errors=True)


class _Configured(_Part):
    """An entry of the configuration, with whatever arguments its class takes."""

    model_config = ConfigDict(extra="allow")


class _Trial(_Part):
    model_config = ConfigDict(extra="allow")
    __pydantic_extra__: dict[str, Number]
    learning_rate: Number


class _Problem(_Configured):
    batch_sizes: list[int]
    record: list[str] = []


class _Optimizer(_Configured):
    trials: list[_Trial]


class _ReproductionOf(_Part):
    problem: str
    optimizer: str
    schedule: str
    batch_size: int
    learning_rate: Number


class _SeedsOfStages(_Part):
    tuning: Seeds
    evaluation: Seeds


class _Configuration(_Part):
    problems: dict[Name, _Problem]
    optimizers: dict[Name, _Optimizer]
    schedules: dict[Name, _Configured]
    seeds: _SeedsOfStages
    reproductions: dict[Name, _ReproductionOf]


class _Surroundings(_Part):
    device: str
    cpu_model: str
    instruction_set: str
    tensorflow: str
    keras: str
    numpy: str
    program: str


class _Checked(_Part):
    data: str
    model: str


class _Tuning(_Part):
    validation_loss: list[Numbers]
    steps_to_target: list[list[int | None]] = []
    bits: list[Digests]


class _Evaluation(_Part):
    test_loss: Numbers
    bits: Digests


class _Cell(_Part):
    tuning: _Tuning
    chosen: _Trial
    test_loss: Headline
    evaluation: _Evaluation


class _Reproduced(_Part):
    model_config = ConfigDict(extra="allow")
    __pydantic_extra__: dict[str, Numbers]
    train_loss: Numbers
    bits: Digests


class _Reproduction(_Part):
    """The medians of all numbers that its runs have."""

    model_config = ConfigDict(extra="allow")
    __pydantic_extra__: dict[str, Headline]
    train_loss: Headline
    evaluation: _Reproduced

    @model_validator(mode="after")
    def _has_all_medians(self) -> Self:
        _require_names("numbers", self.evaluation.__pydantic_extra__, self.__pydantic_extra__)
        return self


class _Published(_Part):
    experiment: str
    commits: list[str]
    surroundings: Annotated[list[_Surroundings], Field(min_length=1)]
    data: dict[str, _Checked]
    configuration: _Configuration
    cells: dict[str, _Cell]
    reproductions: dict[str, _Reproduction]

    @model_validator(mode="after")
    def _is_whole(self) -> Self:
        configured = self.configuration
        cells = (
            f"{problem}/{optimizer}/{schedule}/{batch_size}"
            for (problem, grid), optimizer, schedule in product(
                configured.problems.items(), configured.optimizers, configured.schedules
            )
            for batch_size in grid.batch_sizes
        )
        _require_names("cells", cells, self.cells)
        _require_names("reproductions", configured.reproductions, self.reproductions)
        _require_names("data", configured.problems, self.data)
        return self


def parse(text: bytes) -> dict[str, Any]:
    """The content of a published file. Raises ValueError with the path of the first mistake."""
    try:
        content: dict[str, Any] = json.loads(text, object_pairs_hook=_unique_keys, parse_constant=_reject_constant)
        _Published.model_validate(content)
    except ValidationError as error:
        first = error.errors(include_url=False)[0]
        path = ".".join(map(str, first["loc"]))
        raise ValueError(f"{path}: {first['msg']}" if path else first["msg"]) from None
    except RecursionError:
        raise ValueError("it is nested too deeply") from None
    return content


def _require_names(what: str, wanted: Any, names: Any) -> None:
    """Raise ValueError with the first name that is missing among `names`, or that is not wanted."""
    if unlike := sorted({*wanted} ^ {*names}):
        raise ValueError(f"{what}: {unlike[0]} {'is not configured' if unlike[0] in names else 'is missing'}")


def _unique_keys(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    content = dict(pairs)
    if len(content) < len(pairs):
        names = [name for name, _ in pairs]
        raise ValueError(f"{next(name for name in content if names.count(name) > 1)} is there twice")
    return content


def _reject_constant(text: str) -> None:
    raise ValueError(f"{text} is no number")
