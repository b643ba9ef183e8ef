"""What makes a run the same run: a digest over everything that can change its bits, and over nothing else.

Everything here is known without TensorFlow, so that a job can ask the store what is missing before it starts it.
"""

import ast
import hashlib
import importlib.metadata
import importlib.util
from collections.abc import Collection
from functools import cache
from pathlib import Path
from typing import Any

from thalweg.experiment.schema import Experiment, Optimizer, Schedule, values_in_identity
from thalweg.grid import Run, evaluation_steps, optimizer_arguments, schedule_arguments, warmup_steps
from thalweg.hashing import digest
from thalweg.horizon import Horizon
from thalweg.paths import SOURCE
from thalweg.quantities import recorded_quantities

COMPUTING_PACKAGES = ("tensorflow", "keras", "numpy")
"""The packages whose versions can change a run's bits."""

WAYS_OF_TRAINING = {"in memory": "thalweg.training.engine.whole_run", "streamed": "thalweg.training.engine.streamed"}
"""The module by which a run is trained. A run's identity covers all of Thalweg that this module imports."""


def identity(experiment: Experiment, run: Run, check: dict[str, Any], device: str) -> dict[str, Any]:
    """Return all that determines a run's bits, as JSON.

    What a run records is no part of it: recording changes no bit of the training.

    Args:
        experiment: the experiment that has the run.
        run: the run.
        check: what the check rule wrote about the run's problem.
        device: the device class, cpu or gpu, after `auto` was resolved. A fall back to the CPU is another run.
    """
    grid, optimizer = experiment.problems[run.problem], experiment.optimizers[run.optimizer]
    schedule = experiment.schedules[run.schedule]
    horizon = grid.horizon(check["splits"]["train"]["examples"], run.batch_size)
    return {
        "problem": source_digest(experiment.problem_file(run.problem), experiment.directory),
        "data": check["data"],
        "model": check["model"],
        "optimizer": _optimized(optimizer, run, experiment.directory),
        "schedule": _scheduled(schedule, horizon, experiment.directory),
        "batch_size": run.batch_size,
        "learning_rate": run.learning_rate,
        "seed": run.seed,
        **values_in_identity(grid),
        "evaluation_steps": evaluation_steps(horizon.steps, grid.evaluation_points),
        "device": device,
        "versions": versions(),
        "program": program_digest("in memory" if check["in_memory"] else "streamed"),
    }


@cache
def versions() -> dict[str, str]:
    """Return the versions of the packages that can change a run's bits."""
    return {name: importlib.metadata.version(name) for name in COMPUTING_PACKAGES}


@cache
def program_digest(way: str) -> str:
    """Return the digest of the sources that a way of training imports."""
    return module_digest(WAYS_OF_TRAINING[way])


def quantity_digests(record: Collection[str]) -> dict[str, str]:
    """Return the digest of the source of each quantity that a run records, by name.

    A quantity is no part of a run's identity. A stored run serves whoever wants quantities that it holds.

    Args:
        record: The quantities that the experiment lists; those that every run records come in addition.
    """
    return {one.name: module_digest(one.compute.__module__) for one in recorded_quantities(record)}


def software() -> dict[str, str]:
    """Return the versions of the packages that compute, and as `program` one digest of all ways of training."""
    return {**versions(), "program": digest([program_digest(way) for way in WAYS_OF_TRAINING])}


def _configured(class_name: str | None, arguments: dict[str, Any], directory: Path) -> dict[str, Any]:
    return {"class": class_name, "arguments": arguments, "source": class_source(class_name, directory)}


def _optimized(optimizer: Optimizer, run: Run, directory: Path) -> dict[str, Any]:
    configured = _configured(optimizer.class_name, optimizer_arguments(optimizer, run), directory)
    # A value that enters the program as an argument can round otherwise than one that is compiled into it.
    searched = [name for name, _ in run.hyperparameters]
    return {**configured, "searched": searched} if searched else configured


def _scheduled(schedule: Schedule, horizon: Horizon, directory: Path) -> dict[str, Any]:
    configured = _configured(schedule.class_name, schedule_arguments(schedule, horizon), directory)
    warmup = warmup_steps(schedule, horizon)
    return {**configured, "warmup": warmup} if warmup else configured


@cache
def class_source(class_name: str | None, directory: Path) -> str | None:
    """For a user's `module:Class`, the digest of the module's code; Keras's own classes go by Keras's version."""
    if class_name is None or ":" not in class_name:
        return None
    module = class_name.partition(":")[0]
    top, *below = module.split(".")
    beside = directory / top
    # Asked for its top package alone, so that nothing is imported to find out.
    installed = importlib.util.find_spec(top)
    roots = [beside, *(Path(origin) for origin in (installed and installed.submodule_search_locations) or ())]
    files = [file for root in roots for file in _files_of(root.joinpath(*below))]
    if installed and installed.origin and not below:
        files.append(Path(installed.origin))
    if not files:
        raise ModuleNotFoundError(f"{class_name}: there is no module {module}, beside the experiment or installed")
    # What an installed module imports of its own package counts as what lies beside the experiment does.
    root = next((above for above in files[0].parents if above.name == top), files[0]).parent
    return source_digest(files[0], directory if files[0].is_relative_to(directory) else root)


def _files_of(module: Path) -> list[Path]:
    """The file of a module, given by its path without an ending; none where there is no such module."""
    return [file for file in (module.with_suffix(".py"), module / "__init__.py") if file.is_file()]


@cache
def source_digest(file: Path, root: Path) -> str:
    """Digest of the code in `file` and in every module below `root` that it imports, directly or not.

    Comments, docstrings and layout are left out, so that changing them retrains nothing.
    """
    closure: dict[Path, str] = {}
    waiting = [file]
    while waiting:
        here = waiting.pop()
        if here not in closure:
            closure[here] = _code_digest(here)
            waiting += _local_imports(here, root)
    # A module's place counts too: two helpers that swap their contents are another program.
    return digest(sorted((_place(here, root), code) for here, code in closure.items()))


def _place(file: Path, root: Path) -> str:
    return str(file.relative_to(root)) if file.is_relative_to(root) else file.name


@cache
def _local_imports(file: Path, root: Path) -> list[Path]:
    """The files below `root` that `file` imports, by `import a.b`, `from a import b` or `from .a import b`."""
    names: list[Path] = []
    for node in ast.walk(_parse(file)):
        if isinstance(node, ast.Import):
            names += [root.joinpath(*alias.name.split(".")) for alias in node.names]
        elif isinstance(node, ast.ImportFrom):
            base = root if node.level == 0 else file.parents[node.level - 1]
            base = base.joinpath(*(node.module or "").split("."))
            names += [base, *(base / alias.name for alias in node.names)]
    found = [path for name in names for path in _files_of(name) if path.is_relative_to(root)]
    packages = [above / "__init__.py" for path in found for above in path.parents if above.is_relative_to(root)]
    return [*found, *(package for package in packages if package.is_file())]


@cache
def _code_digest(file: Path) -> str:
    return hashlib.sha256(repr(_shape(_parse(file))).encode()).hexdigest()


def _parse(file: Path) -> ast.Module:
    return ast.parse(file.read_bytes(), filename=str(file))


def _shape(node: Any) -> Any:
    """A syntax tree as nested tuples: without positions, docstrings and empty fields (which vary with Python)."""
    if isinstance(node, list):
        return [_shape(item) for item in node]
    if not isinstance(node, ast.AST):
        return node
    fields = {name: value for name, value in ast.iter_fields(node) if value not in (None, [])}
    if "body" in fields and isinstance(node, ast.Module | ast.ClassDef | ast.FunctionDef | ast.AsyncFunctionDef):
        fields["body"] = [item for item in fields["body"] if not _is_text(item)]
    return (type(node).__name__, *((name, _shape(value)) for name, value in fields.items()))


def _is_text(node: ast.AST) -> bool:
    return isinstance(node, ast.Expr) and isinstance(node.value, ast.Constant) and isinstance(node.value.value, str)


def module_digest(module: str) -> str:
    """Digest of a `python -m` module's code with all of Thalweg that it imports: what Snakemake cannot see itself."""
    file = SOURCE.joinpath(*module.split("."))
    return source_digest(file / "__main__.py" if file.is_dir() else file.with_suffix(".py"), SOURCE)
