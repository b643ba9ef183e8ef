"""The project's own promises: who imports whom, and that every way of installing gives the same versions."""

import ast
import json
import re
import subprocess
import sys
import tomllib
from pathlib import Path

import pytest
import yaml

ROOT = Path(__file__).parents[2]
SOURCE = ROOT / "src"

GROUND = {"experiment", "grid", "hashing", "horizon", "identity", "quantities"}
"""What every part above them may import."""

MAY_IMPORT = {
    "paths": {"paths"},
    "hashing": {"hashing"},
    "horizon": {"horizon"},
    "quantities": {"quantities", "horizon"},
    "experiment": {"experiment", "horizon", "quantities"},
    "grid": {"experiment", "horizon"},
    "identity": {"experiment", "grid", "hashing", "horizon", "paths", "quantities"},
    "templates": {"paths"},
    "results": {"results", *GROUND},
    "training": {"training", "results", *GROUND},
    "analysis": {"analysis", "results", *GROUND},
    "certificate": {"certificate", "training", "analysis", "templates", "paths", "results", *GROUND},
    "reporting": {"reporting", "certificate", "analysis", "templates", "paths", "results", *GROUND},
    "workflow": {"workflow", "reporting", "certificate", "results", *GROUND},
}
"""The parts of the library, each with those that it may import: downwards only, training and analysis never meet."""


def imports(file, nodes=None):
    for node in ast.walk(ast.parse(file.read_text())) if nodes is None else nodes:
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"{file}: imports are absolute"
            yield from (f"{node.module}.{alias.name}" for alias in node.names)


@pytest.mark.parametrize("part", MAY_IMPORT)
def test_imports_run_downwards(part):
    files = [*(SOURCE / "thalweg" / part).rglob("*.py"), SOURCE / "thalweg" / f"{part}.py"]
    found = {name for file in files if file.exists() for name in imports(file)}
    assert found
    ours = {name.split(".")[1] for name in found if name.startswith("thalweg.")}
    assert ours <= MAY_IMPORT[part]
    if part == "quantities":  # TensorFlow is imported only while a quantity is computed
        found = {name for file in files if file.exists() for name in imports(file, ast.parse(file.read_text()).body)}
    if part not in ("training", "certificate"):
        assert not {name for name in found if name.split(".")[0] in ("tensorflow", "keras")}


UNSAFE = {"pickle", "cPickle", "dill", "cloudpickle", "joblib", "shelve", "marshal", "jsonpickle", "code", "ctypes"}
"""Modules that make code of data."""

UNSAFE_CALLS = {
    *("eval", "exec", "compile", "popen", "read_pickle", "to_pickle", "unsafe_load", "full_load", "load_model"),
    *("load_weights", "enable_unsafe_deserialization", "model_from_json", "urlopen", "urlretrieve", "get_file"),
}


def unsafe(text):
    """What makes code of data, or fetches something, in a Python source."""
    for node in ast.walk(ast.parse(text)):
        if isinstance(node, ast.Import | ast.ImportFrom):
            modules = [alias.name for alias in node.names] if isinstance(node, ast.Import) else [node.module]
            fetching = {"requests", "urllib.request", "http.client", "socket"}
            yield from (name for name in modules if name.split(".")[0] in UNSAFE or name in fetching)
        elif isinstance(node, ast.Call):
            owner = getattr(getattr(node.func, "value", None), "id", "")
            name = getattr(node.func, "attr", getattr(node.func, "id", ""))
            if (name in UNSAFE_CALLS and owner != "re") or (owner, name) in {("yaml", "load"), ("os", "system")}:
                yield name
            for keyword in node.keywords:
                value = getattr(keyword.value, "value", None)
                if (keyword.arg, value) in {("allow_pickle", True), ("shell", True), ("safe_mode", False)}:
                    yield keyword.arg


def test_nothing_makes_code_of_data_and_nothing_is_fetched():
    files = [*SOURCE.rglob("*.py"), *(ROOT / "experiments").rglob("*.py")]
    assert len(files) > 50
    assert {str(file): found for file in files if (found := list(unsafe(file.read_text())))} == {}


@pytest.mark.parametrize(
    "text",
    [
        "import pickle",
        "from joblib import load",
        "import urllib.request",
        "np.load(file, allow_pickle=True)",
        "keras.models.load_model(file)",
        "keras.saving.load(file, safe_mode=False)",
        "yaml.load(text)",
        "yaml.unsafe_load(text)",
        "pd.read_pickle(file)",
        "eval(text)",
        "subprocess.run(text, shell=True)",
    ],
)
def test_what_makes_code_of_data_would_be_found(text):
    assert list(unsafe(text))


def test_every_part_has_its_directions():
    there = {
        path.stem for path in (SOURCE / "thalweg").iterdir() if path.suffix == ".py" or (path / "__init__.py").exists()
    }
    assert there - {"__init__"} == MAY_IMPORT.keys()


def test_reading_the_snakefile_loads_nothing_heavy(tmp_path):
    """In a folder without results: where there are some, Snakemake itself loads pandas to compare parameters."""
    snakefile = str(ROOT / "Snakefile")
    script = (
        "import sys, snakemake.cli\n"
        f"try: snakemake.cli.main(['-n', '-s', {snakefile!r}, '--quiet', 'all', '--config', 'experiment=smoke'])\n"
        "except SystemExit as end: assert not end.code, end.code\n"
        "print(sorted({'tensorflow', 'keras', 'pandas', 'seaborn', 'matplotlib'} & sys.modules.keys()))"
    )
    done = subprocess.run([sys.executable, "-c", script], cwd=tmp_path, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    assert done.stdout.splitlines()[-1] == "[]"


def locked():
    text = (ROOT / "requirements.lock").read_text()
    return dict(re.findall(r"^([a-z0-9_.-]+)==(\S+)", text, re.MULTILINE))


def test_the_lock_pins_everything_with_hashes_and_names_no_address():
    text = (ROOT / "requirements.lock").read_text()
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())
    wanted = [*project["project"]["dependencies"], *project["dependency-groups"]["test"]]
    assert {re.match(r"[a-z0-9-]+", name)[0] for name in wanted} <= locked().keys()
    assert "://" not in text
    entries = re.split(r"\n(?=\S)", text.strip())
    assert len(entries) == len(locked())
    assert all("--hash=sha256:" in entry for entry in entries)


def test_the_packages_of_the_browser_are_pinned_with_hashes_and_no_address_to_get_them_from():
    folder = ROOT / "tests/browser"
    wanted = json.loads((folder / "package.json").read_text())["devDependencies"]
    packages = json.loads((folder / "package-lock.json").read_text())["packages"]
    assert packages.pop("")["devDependencies"] == wanted
    assert {name: packages[f"node_modules/{name}"]["version"] for name in wanted} == wanted
    assert not any("resolved" in package for package in packages.values())
    assert all(package["integrity"].startswith("sha512-") for package in packages.values())


def test_conda_users_get_the_locked_versions():
    environment = yaml.safe_load((ROOT / "environment.yml").read_text())
    *packages, pip = environment["dependencies"]
    pins = [requirement.partition(" ;")[0] for requirement in pip["pip"]]
    assert dict(pin.split("==") for pin in pins) == locked()
    assert [name.partition("=")[0] for name in packages] == ["python", "pip"]
    wanted = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]["requires-python"]
    low, high = (tuple(map(int, version.split("."))) for version in re.findall(r"[\d.]+", wanted))
    assert low <= tuple(map(int, packages[0].partition("=")[2].split("."))) < high


def test_the_architecture_page_draws_the_folders_as_they_are():
    drawing = (ROOT / "docs/architecture.md").read_text().split("```")[1]
    path, drawn = {}, set()
    for line in drawing.strip().splitlines():
        depth, name = (len(line) - len(line.lstrip())) // 4, line.split()[0].rstrip("/")
        path[depth] = name
        drawn.add("/".join(path[level] for level in range(depth + 1)))
    assert all((ROOT / place).exists() for place in drawn), drawn
    for folder in ("src/thalweg", "workflow/rules"):
        there = {place.name for place in (ROOT / folder).iterdir() if not place.name.startswith("__")}
        assert there == {Path(place).name for place in drawn if str(Path(place).parent) == folder}
