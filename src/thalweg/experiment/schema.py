"""The experiment file: what may stand in it, what it means, and every mistake in it reported at once."""

import difflib
import math
import re
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import (
    AfterValidator,
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Field,
    ValidationError,
    model_validator,
)

from thalweg.experiment import search_space, yaml_file
from thalweg.experiment.claims import TUNED, Claim, Level, Of
from thalweg.experiment.target import Target, read_target

FIRST_EVALUATION_SEED = 1001
"""A count of evaluation seeds starts here, so that adding tuning seeds (from 1) never moves or meets them."""


class ExperimentError(Exception):
    """The experiment cannot be run as it is written; the message lists every mistake, with file, key and mend."""


def _unique(values: tuple[Any, ...]) -> tuple[Any, ...]:
    repeated = sorted({value for value in values if values.count(value) > 1})
    if repeated:
        raise ValueError(f"{', '.join(map(str, repeated))} stands more than once")
    return values


def lattice(low: float, high: float) -> tuple[float, ...]:
    """The learning rates 1 and 3 times a power of ten from `low` to `high`, both included (half-decade steps)."""
    decades = range(math.floor(math.log10(low)) - 1, math.ceil(math.log10(high)) + 2)
    points = [float(f"{mantissa}e{decade}") for decade in decades for mantissa in (1, 3)]
    return tuple(point for point in points if low <= point <= high)


def _read_rates(value: Any) -> Any:
    """A range such as `1e-3 .. 1` becomes the lattice points in it; a list stays as it is."""
    if isinstance(value, list):
        return value
    if not isinstance(value, str):
        one = value if search_space.is_number(value) else 0.1
        raise ValueError(f"write a list of rates, as in [{one}], or a range, as in 1e-3 .. 1, not {value!r}")
    low, high = search_space.ends(value)
    if not 0 < low <= high < math.inf:
        raise ValueError(f"{value!r} is not a range of positive rates, as in 1e-3 .. 1")
    points = lattice(low, high)
    if not points or points[0] != low or points[-1] != high:
        raise ValueError(f"the ends of {value!r} must be 1 or 3 times a power of ten, as in 1e-3 .. 1")
    return points


def _read_seeds(first: int) -> BeforeValidator:
    def read(value: Any) -> Any:
        if isinstance(value, list):
            return value
        if isinstance(value, bool) or not isinstance(value, int):
            raise ValueError(f"write a count of seeds, as in 3, or a list of whole numbers, not {value!r}")
        if not 1 <= value < FIRST_EVALUATION_SEED:
            raise ValueError(f"a count of seeds lies between 1 and {FIRST_EVALUATION_SEED - 1}, not {value}")
        return tuple(range(first, first + value))

    return BeforeValidator(read)


NAME = r"^[a-z][a-z0-9_]{0,59}$"
_OF_NAMES = "a name is at most 60 lower-case letters, digits and underscores, and starts with a letter"
Name = Annotated[str, Field(pattern=NAME)]


def _listed(value: Any) -> list[Any]:
    return value if isinstance(value, list) else [value]


def _plain(value: Any) -> Any:
    """An argument of a class is a number, a text, true or false, or a list of those."""
    for one in _listed(value):
        if not isinstance(one, bool | int | float | str | None):
            raise ValueError(f"must be a number, a text, true, false or a list of those, not {one!r}")
        if search_space.is_number(one) and not search_space.is_finite(one):
            raise ValueError(f"must be finite, not {one}")
    return value


def _read_length(value: Any) -> Any:
    """A length of some steps: a count of them, or a text with its unit."""
    text = f"{value} steps" if isinstance(value, int) and not isinstance(value, bool) else value
    match = _LENGTH.fullmatch(text) if isinstance(text, str) else None
    if value is not None and not (match and 0 < float(match[1]) < LONGEST):
        raise ValueError(f"{value!r} is no length; write 5 epochs, 100 steps or 10 % (of the horizon)")
    return text


def _in_single_precision(rate: float) -> float:
    if not search_space.SMALLEST <= rate <= search_space.LARGEST:
        low, high = search_space.SMALLEST, search_space.LARGEST
        raise ValueError(f"must be between {low:g} and {high:g}, as single precision holds it")
    return rate


LONGEST = 2**31
"""Nothing that is counted or lasts is so long: steps and seconds are kept in 32 bits."""

Argument = Annotated[Any, AfterValidator(_plain)]
Count = Annotated[int, Field(strict=True, gt=0, lt=LONGEST)]
Switch = Annotated[bool, Field(strict=True)]
LearningRate = Annotated[float, Field(strict=True, gt=0, allow_inf_nan=False), AfterValidator(_in_single_precision)]
LearningRates = Annotated[
    tuple[LearningRate, ...],
    BeforeValidator(_read_rates),
    Field(min_length=1),
    AfterValidator(_unique),
    AfterValidator(lambda rates: tuple(sorted(rates))),
]
Space = Annotated[search_space.Space, BeforeValidator(search_space.read)]
Seed = Annotated[int, Field(strict=True, ge=0, lt=2**31)]
SeedList = Annotated[tuple[Seed, ...], Field(min_length=1), AfterValidator(_unique)]


class _Section(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


_UNITS = {"second": 1, "minute": 60, "hour": 3600}


def _read_duration(value: Any) -> Any:
    """A time such as `90 seconds`, `10 minutes` or `2 hours`, in seconds."""
    match = re.fullmatch(r"\s*(\d+(?:\.\d+)?)\s*(second|minute|hour)s?\s*", value) if isinstance(value, str) else None
    if value is not None and not (match and 0 < float(match[1]) < LONGEST):
        raise ValueError(f"{value!r} is no time; write 90 seconds, 10 minutes or 2 hours")
    return float(match[1]) * _UNITS[match[2]] if match else None


class ProblemGrid(_Section):
    """How a problem of `problems/` is run. `epochs` sets the horizon; docs/experiment-file.md says what each key is."""

    batch_sizes: Annotated[tuple[Count, ...], Field(min_length=1), AfterValidator(_unique)]
    epochs: Count
    drop_remainder: Switch = False
    data_order: Literal["reshuffled", "fixed"] = "reshuffled"
    evaluation_points: Annotated[int, Field(strict=True, ge=2, le=10_000)] = 40
    shared_examples: Switch = False
    record: Annotated[tuple[Literal["gradient_noise", "weights"], ...], AfterValidator(_unique)] = ()
    target: Annotated[Target | None, BeforeValidator(read_target)] = None
    end_at_target: Switch = False
    time_limit: Annotated[float | None, BeforeValidator(_read_duration)] = None
    device: Literal["auto", "cpu", "gpu"] = "cpu"
    jobs_per_gpu: Count = 1
    lanes: Count = 1
    threads: Count = 1
    precision: Literal["float32", "mixed_bfloat16"] = "float32"
    xla: Switch = True
    timing: Switch = False

    @model_validator(mode="after")
    def _ends_at_something(self) -> "ProblemGrid":
        if self.end_at_target and self.target is None:
            raise ValueError("end_at_target: there is no target; write one, as in target: validation_loss <= 0.01")
        return self


class _Configured(BaseModel):
    """A class by name, and every other key beside it an argument of that class."""

    model_config = ConfigDict(extra="allow", frozen=True)
    __pydantic_extra__: dict[str, Argument]

    @property
    def arguments(self) -> dict[str, Argument]:
        return dict(self.__pydantic_extra__)


ClassName = Annotated[str, Field(pattern=r"^([A-Za-z_][\w.]*:)?[A-Za-z_]\w*$")]


class Search(BaseModel):
    """What an optimizer's hyperparameters are drawn from, together: a trial is one draw of them all."""

    model_config = ConfigDict(extra="allow", frozen=True)
    __pydantic_extra__: dict[str, Space]
    trials: Annotated[int, Field(strict=True, gt=0, le=10_000)]
    learning_rate: Space

    @model_validator(mode="before")
    @classmethod
    def _is_a_mapping(cls, given: Any) -> Any:
        if not isinstance(given, dict):
            raise ValueError(f"write trials, learning_rate and what else is drawn, each with its range, not {given!r}")
        return given

    @model_validator(mode="after")
    def _rates_are_positive(self) -> "Search":
        if self.learning_rate.lowest <= 0:
            raise ValueError(f"learning_rate: should be greater than 0, not {self.learning_rate}")
        for end in (self.learning_rate.lowest, self.learning_rate.highest):
            _in_single_precision(end)
        return self

    @property
    def beside_the_rate(self) -> dict[str, search_space.Space]:
        """The spaces of the hyperparameters other than the learning rate, by name."""
        return {name: self.__pydantic_extra__[name] for name in sorted(self.__pydantic_extra__)}


class Optimizer(_Configured):
    """A class of keras.optimizers, or `module:Class` beside the experiment file, with its fixed hyperparameters.

    Its learning rates are those of a grid, or are drawn in a search, with other hyperparameters or without.
    """

    class_name: ClassName = Field(alias="class")
    learning_rates: LearningRates = ()
    search: Search | None = None

    @model_validator(mode="after")
    def _no_rate_of_its_own(self) -> "Optimizer":
        if "learning_rate" in self.arguments:
            raise ValueError("learning_rate: is an axis of the grid; write learning_rates, as in 1e-3 .. 1")
        return self

    @model_validator(mode="after")
    def _rates_or_search(self) -> "Optimizer":
        if not self.learning_rates and not self.search:
            raise ValueError("learning_rates is missing; write them, as in 1e-3 .. 1, or a search")
        if self.learning_rates and self.search:
            raise ValueError("search: stands beside learning_rates; keep one of them")
        return self

    @model_validator(mode="after")
    def _searched_or_fixed(self) -> "Optimizer":
        for name in self.searched:
            if name in self.arguments:
                raise ValueError(f"search.{name}: is also given as fixed ({self.arguments[name]!r}); keep one of them")
        return self

    @property
    def searched(self) -> tuple[str, ...]:
        """The names of the hyperparameters, other than the learning rate, that are searched."""
        return tuple(self.search.beside_the_rate) if self.search else ()

    def fixed_at(self, hyperparameters: Mapping[str, float]) -> "Optimizer":
        """The optimizer with the searched hyperparameters among its arguments, as if they were fixed."""
        arguments = {**self.arguments, **hyperparameters}
        return Optimizer.model_validate({"class": self.class_name, "learning_rates": [1.0], **arguments})


class Schedule(_Configured):
    """A class of keras.optimizers.schedules or of ours, or `module:Class`; without a class the rate stays at its peak.

    `warmup` is how long the rate first rises from 0; the schedule begins at its end.
    """

    class_name: ClassName | None = Field(default=None, alias="class")
    warmup: Annotated[str | None, BeforeValidator(_read_length)] = None

    @model_validator(mode="before")
    @classmethod
    def _nothing_is_constant(cls, given: Any) -> Any:
        return {} if given is None else given

    @model_validator(mode="after")
    def _constant_takes_no_arguments(self) -> "Schedule":
        if self.class_name is None and self.arguments:
            raise ValueError(f"class: is missing, so {', '.join(self.arguments)} has nothing to belong to")
        return self

    @model_validator(mode="after")
    def _texts_are_lengths(self) -> "Schedule":
        for name, text in ((name, one) for name, value in self.arguments.items() for one in _listed(value)):
            if not isinstance(text, str):
                continue
            if not self._of_user and not name.endswith(("steps", "boundaries")):
                raise ValueError(f"{name}: must be a number, not {text!r}; only steps and boundaries are lengths")
            if self.is_length(text):
                parse_length(text, name)
        return self

    @property
    def _of_user(self) -> bool:
        return ":" in (self.class_name or "")

    def is_length(self, value: Any) -> bool:
        """Whether an argument's value, or one of its list, is a length. A user's own class may take texts that are
        none; they begin with no digit."""
        return isinstance(value, str) and (not self._of_user or value.lstrip()[:1].isdigit())


class Seeds(_Section):
    """Seeds as a count or a list. Tuning seeds choose the learning rate; evaluation seeds are reported."""

    tuning: Annotated[SeedList, _read_seeds(1)]
    evaluation: Annotated[SeedList, _read_seeds(FIRST_EVALUATION_SEED)]

    @model_validator(mode="after")
    def _disjoint(self) -> "Seeds":
        both = sorted(set(self.tuning) & set(self.evaluation))
        if both:
            raise ValueError(f"{', '.join(map(str, both))} is both a tuning and an evaluation seed; keep them apart")
        return self


class Reproduction(_Section):
    """A source's own setting, trained exactly as it stands there, over the evaluation seeds, without tuning."""

    says: str = ""
    problem: str
    optimizer: str
    schedule: str
    learning_rate: LearningRate
    batch_size: Count


class PaperFigure(_Section):
    """A figure of a paper, `convergence` wherever there is one or `sine/convergence`, in a style of its own or none."""

    figure: str
    style: str | None = None

    @model_validator(mode="before")
    @classmethod
    def _name_alone(cls, given: Any) -> Any:
        return {"figure": given} if isinstance(given, str) else given


class Paper(_Section):
    """What a paper shows, in which style; None for what is shown where the file does not say."""

    style: str = "neurips"
    figures: tuple[PaperFigure, ...] | None = None
    tables: Annotated[tuple[str, ...], AfterValidator(_unique)] | None = None
    pgf: Switch = False


class Experiment(_Section):
    """One experiment file. `name` and `directory` come from its path; the problems lie in `directory`/problems."""

    name: Name
    directory: Path
    title: Annotated[str, Field(min_length=1)]
    description: str = ""
    problems: Annotated[dict[Name, ProblemGrid], Field(min_length=1)]
    optimizers: Annotated[dict[Name, Optimizer], Field(min_length=1)]
    schedules: Annotated[dict[Name, Schedule], Field(min_length=1)]
    seeds: Seeds
    reproductions: dict[Name, Reproduction] = {}
    claims: dict[Name, Claim] = {}
    paper: Paper = Paper()

    @property
    def file(self) -> Path:
        return self.directory / f"{self.name}.yaml"

    def problem_file(self, problem: str) -> Path:
        return self.directory / "problems" / f"{problem}.py"


def find(folder: Path, name: str) -> Path:
    """The file of the experiment of that name. Raises ExperimentError where there is none."""
    there = sorted(file.stem for file in folder.glob("*.yaml") if file.is_file())
    if name not in there:
        raise ExperimentError(
            f"experiment={name}: {folder} has no such experiment{nearest(name, there)}; it has {', '.join(there)}"
        )
    if not re.fullmatch(NAME, name):
        raise ExperimentError(f"{folder / name}.yaml: {_OF_NAMES}; rename the file")
    return folder / f"{name}.yaml"


def load(path: Path) -> Experiment:
    """Read and check an experiment file. Raises ExperimentError with every mistake that the file itself shows."""
    document, lines = _read(path, "title, problems, optimizers, …")
    mistakes: list[tuple[int, str]] = []
    for key in sorted({"name", "directory"} & document.keys()):
        mistakes.append((_line((key,), lines), f"{key}: is not a key; the experiment is named by its file"))
    return _checked(path, path, document, lines, mistakes)


def with_claims(path: Path, claims: Path) -> Experiment:
    """The experiment of a file with the claims of another one, which has nothing else, in place of its own.

    Raises ExperimentError with every mistake of either file, and every name of a claim that the experiment has not.
    """
    load(path)
    document, _ = _read(path, "title, problems, optimizers, …")
    others, lines = _read(claims, "claims")
    mistakes = [
        (_line((key,), lines), f"{key}: is not a key here; a file of claims has claims alone")
        for key in sorted(map(str, others.keys() - {"claims"}))
    ]
    if not others.get("claims"):
        mistakes.append((1, "claims: is missing; write at least one claim"))
        others["claims"] = {}
    return _checked(path, claims, {**document, "claims": others["claims"]}, lines, mistakes)


def _read(path: Path, keys: str) -> tuple[dict[str, Any], dict[yaml_file.Location, int]]:
    try:
        document, lines = yaml_file.read(path)
    except OSError as error:
        raise ExperimentError(f"{path}: {error.strerror}") from None
    except yaml_file.YamlFileError as error:
        raise ExperimentError(_message(path, error.mistakes)) from None
    if not isinstance(document, dict):
        raise ExperimentError(_message(path, [(1, f"must be a mapping with {keys}")]))
    return document, lines


def _checked(
    path: Path,
    told: Path,
    document: dict[str, Any],
    lines: dict[yaml_file.Location, int],
    mistakes: list[tuple[int, str]],
) -> Experiment:
    """The experiment of the file at `path`. Its mistakes are told of the file `told`, with its `lines`."""
    try:
        experiment = Experiment.model_validate({**document, "name": path.stem, "directory": path.parent})
    except ValidationError as error:
        mistakes += [_mistake(details, lines) for details in error.errors(include_url=False) if not _follows(details)]
    else:
        mistakes += [(_line(where, lines), f"{yaml_file.key(where)}: {text}") for where, text in _dangling(experiment)]
    if mistakes:
        raise ExperimentError(_message(told, sorted(set(mistakes))))
    return experiment


_LENGTH = re.compile(r"\s*(\d+(?:\.\d+)?)\s*(steps?|epochs?|%)\s*")


def parse_length(text: str, name: str) -> tuple[float, str]:
    """Split `25 epochs`, `100 steps` or `10 %` (of the horizon) into amount and unit: epoch, step or %."""
    match = _LENGTH.fullmatch(text)
    if not match or float(match[1]) >= LONGEST:
        raise ValueError(f"{name}: {text!r} is no length; write 25 epochs, 100 steps or 10 % (of the horizon)")
    return float(match[1]), match[2].rstrip("s")


def _dangling(experiment: Experiment) -> Iterable[tuple[yaml_file.Location, str]]:
    """What the sections say of each other, and of the folder beside them, that is not so."""
    for problem in experiment.problems:
        file = experiment.problem_file(problem)
        if not file.is_file():
            there = sorted(other.stem for other in file.parent.glob("*.py"))
            yield ("problems", problem), f"{file} does not exist{nearest(problem, there)}"
    for name, reproduction in experiment.reproductions.items():
        for axis in ("problem", "optimizer", "schedule"):
            value, there = getattr(reproduction, axis), list(getattr(experiment, f"{axis}s"))
            if value not in there:
                yield (
                    ("reproductions", name, axis),
                    f"{value!r} is not among the {axis}s ({', '.join(there)}){nearest(value, there)}",
                )
        optimizer = experiment.optimizers.get(reproduction.optimizer)
        if optimizer and optimizer.searched:
            yield (
                ("reproductions", name, "optimizer"),
                f"{reproduction.optimizer!r} searches {', '.join(optimizer.searched)}, which a reproduction leaves "
                f"open; name an optimizer whose arguments are all fixed",
            )
    for name, claim in experiment.claims.items():
        for where, axis, level in claim.names():
            text = _not_there(experiment, claim, axis, level)
            if text:
                yield ("claims", name, *where), text
        without = [problem for problem in claim.problems(experiment.problems) if _lacks_target(experiment, problem)]
        if claim.measure.is_time_to_target and not claim.measure.column and without:
            yield (
                ("claims", name, "measure"),
                f"{', '.join(without)} has no target; write one, or a loss, as in steps to train loss <= 0.01",
            )
        untimed = [problem for problem in claim.problems(experiment.problems) if _is_untimed(experiment, problem)]
        if claim.measure.is_in_seconds and untimed:
            yield (
                ("claims", name, "measure"),
                f"{', '.join(untimed)} is not timed; write timing: true in its entry, or name a problem that has it",
            )


def _not_there(experiment: Experiment, claim: Claim, axis: str, level: Level) -> str | None:
    """What is wrong with a level that a claim names; None where there are runs of it."""
    reproduced = experiment.reproductions.values()
    if axis == "learning_rate":
        # Without optimizers of its own a claim is about all that have the rate.
        named = [str(one) for _, of, one in claim.names() if of == "optimizer"]
        without = [
            name
            for name in named or list(experiment.optimizers)
            if name in experiment.optimizers
            and level not in experiment.optimizers[name].learning_rates
            and not any((one.optimizer, one.learning_rate) == (name, level) for one in reproduced)
        ]
        there = level == TUNED or not without or (not named and len(without) < len(experiment.optimizers))
        return None if there else f"{level:g} is no learning rate of {', '.join(without)}"
    if axis == "batch_size":
        problems = [name for name in claim.problems(experiment.problems) if name in experiment.problems]
        sizes = {size for name in problems for size in experiment.problems[name].batch_sizes}
        sizes |= {one.batch_size for one in reproduced if one.problem in problems}
        return None if level in sizes or not problems else f"{level} is not among the batch sizes {sorted(sizes)}"
    names = list(getattr(experiment, f"{axis}s"))
    if level in names:
        return None
    return f"{level!r} is not among the {axis}s ({', '.join(names)}){nearest(str(level), names)}"


def _lacks_target(experiment: Experiment, problem: str) -> bool:
    return problem in experiment.problems and experiment.problems[problem].target is None


def _is_untimed(experiment: Experiment, problem: str) -> bool:
    return problem in experiment.problems and not experiment.problems[problem].timing


def unknown_metrics(experiment: Experiment, metrics: Mapping[str, list[str]]) -> Iterator[str]:
    """The metrics that a claim measures and that none of the problems it speaks of records.

    `metrics` are those of each problem in order, as its check found them. Claims about others are left out: nobody
    knows what these record.
    """
    for name, claim in experiment.claims.items():
        reproduction = claim.of and claim.of.reproduction
        of = [experiment.reproductions[reproduction].problem] if reproduction else claim.problems(experiment.problems)
        if not claim.measure.column or not metrics.keys() >= set(of):
            continue
        metric = claim.measure.column.partition("_")[2]
        there = list(dict.fromkeys(one for problem in of for one in ("loss", *metrics[problem])))
        if metric not in there:
            yield (
                f"claims.{name}.measure: {metric} is no metric of {', '.join(of)}{nearest(metric, there)}; "
                f"there are {', '.join(there)}"
            )


def _follows(details: Any) -> bool:
    """Whether an error only says that nothing is left where all that stood there was wrong."""
    return details["type"] == "too_short" and bool(details["input"])


_WANTED = {
    "dict_type": "must be a mapping of keys to values",
    "model_type": "must be a mapping of keys to values",
    "tuple_type": "must be a list",
    "string_too_short": "must not be empty",
}
"""What pydantic says in Python's terms."""


def _mistake(details: Any, lines: dict[yaml_file.Location, int]) -> tuple[int, str]:
    """One pydantic error as (line, message)."""
    location = tuple(part for part in details["loc"] if part != "[key]")
    section, last = location[:-1], str(location[-1]) if location else ""
    kind, given = details["type"], details.get("input")
    if kind == "extra_forbidden":
        known = _known_keys(section)
        text = f"unknown key{nearest(last, known)}; known here: {', '.join(known)}"
    elif kind == "missing":
        location, text = section, f"{last} is missing"
    elif kind == "value_error":
        text = str(details["ctx"]["error"])
    elif kind == "string_pattern_mismatch" and last == "class":
        text = f"{given!r} is no class; write a class of Keras, or module:Class"
    elif kind == "string_pattern_mismatch":
        text = _OF_NAMES
    elif kind == "invalid_key" or (kind == "string_type" and details["loc"][-1] == "[key]"):
        name = last if kind == "invalid_key" else given
        location, text = section, f"YAML reads a name here as {name}; put it in quotes"
    elif kind == "too_short":
        text = "is empty; write at least one entry"
    else:
        text = f"{_WANTED.get(kind, details['msg'].replace('Input should be', 'should be'))}, not {given!r}"
    key = yaml_file.key(location)
    # What begins with a key of its own section is to be found on that key's line.
    at = (*location, *text.partition(":")[0].split("."))
    return _line(at, lines), f"{key}: {text}" if key else text


def _known_keys(section: tuple[str | int, ...]) -> list[str]:
    models: dict[str, type[BaseModel]] = {
        "problems": ProblemGrid,
        "seeds": Seeds,
        "reproductions": Reproduction,
        "claims": Of if section[2:] == ("of",) else Claim,
        "paper": PaperFigure if section[1:2] == ("figures",) else Paper,
    }
    model = models[str(section[0])] if section else Experiment
    return [name for name in model.model_fields if name not in ("name", "directory")]


def nearest(word: str, known: Iterable[str]) -> str:
    """` (did you mean adam?)` for a misspelt name, and nothing where no known name is near."""
    close = difflib.get_close_matches(word, sorted(known), n=1)
    return f" (did you mean {close[0]}?)" if close else ""


def plain(error: BaseException) -> str:
    """What an error says, on one line; its kind where it says nothing."""
    return " ".join(str(error).split())[:500] or type(error).__name__


def _line(location: yaml_file.Location, lines: dict[yaml_file.Location, int]) -> int:
    while location not in lines:
        location = location[:-1]
    return lines[location]


def mistaken(path: Path, mistakes: Iterable[tuple[yaml_file.Location, str]]) -> ExperimentError:
    """The error that tells of mistakes in an experiment file, each with its place in it."""
    _, lines = _read(path, "title, problems, optimizers, …")
    return ExperimentError(
        _message(path, sorted({(_line(where, lines), f"{yaml_file.key(where)}: {text}") for where, text in mistakes}))
    )


def _message(path: Path, mistakes: list[tuple[int, str]]) -> str:
    return in_one_message(path, [f"line {line}: {text}" for line, text in mistakes])


MOST = 20
"""How many mistakes are told at once: with the heading they fill a screen."""


def in_one_message(path: Path, mistakes: list[str]) -> str:
    """What is wrong with an experiment, all of it that a screen holds, for the terminal."""
    heading = f"{path} has {len(mistakes)} mistake{'s' if len(mistakes) > 1 else ''}; nothing was trained:"
    rest = [f"and {len(mistakes) - MOST:,} more"] if len(mistakes) > MOST else []
    return "\n".join([heading, *(f"  {_brief(mistake)}" for mistake in [*mistakes[:MOST], *rest])])


def _brief(text: str) -> str:
    """A text on one line without its middle, if it is long: what is wrong stands before that, what is right after."""
    line = " ".join(text.split())
    return line if len(line) <= 600 else f"{line[:250]} … {line[-340:]}"
