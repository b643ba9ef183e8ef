"""Write environment.yml anew from requirements.lock: `python workflow/conda.py`, or `make lock`."""

import re
from pathlib import Path

ROOT = Path(__file__).parents[1]
HEADING = """\
# For conda and mamba: the versions of requirements.lock, written by `make lock`. The project itself is installed apart:
#   mamba env create --file environment.yml && mamba activate thalweg
#   pip install --no-deps --no-build-isolation --editable .
name: thalweg
channels:
  - conda-forge
  - nodefaults
dependencies:
  - python=3.12
  - pip
  - pip:
"""


def environment(lock: str) -> str:
    """The text of environment.yml for the text of a lock."""
    pins = re.findall(r"^([a-z0-9][^ \\]*==[^ \\]+(?: ; [^\\]+)?)", lock, re.MULTILINE)
    return HEADING + "".join(f'      - "{pin.strip()}"\n' for pin in pins)


if __name__ == "__main__":
    (ROOT / "environment.yml").write_text(environment((ROOT / "requirements.lock").read_text()))
