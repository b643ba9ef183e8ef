"""Where the files of the project lie that are not Python: templates, rules, citation."""

from pathlib import Path

PROJECT = Path(__file__).parents[2]
SOURCE = PROJECT / "src"
TEMPLATES = PROJECT / "reports"
PAPER_TEMPLATES = TEMPLATES / "paper"
