"""What the runs say: chosen learning rates, curves, intervals and tables. Reads what training left, never trains.

Names the tables by the modules that define them. Importing it loads none of them, and no pandas.
"""

import pkgutil
from pathlib import Path

MEASURED_FOLDER = "measured"
"""The folder of the tables in which a clock has a part: of their modules, and of their files."""

LISTED_FIRST = (
    *("runs", "cells", "curves", "diagnostics", "rates", "targets", "arrivals", "profiles", "scores", "scaling"),
    *("budgets", "sensitivity", "comparisons", "improvements", "ranks", "claims", "claims_in_seconds", "factors"),
    *("schedules", "paths", "surfaces", "reproductions", "counts", "provenance"),
)
"""The order in which tables are listed. A table that is not named here follows, by its name."""


def _find_tables(folder: Path) -> set[str]:
    modules = pkgutil.iter_modules([str(folder)])
    return {module.name for module in modules if not module.ispkg and module.name != "__main__"}


def _place_in_list(name: str) -> tuple[int, str]:
    return (LISTED_FIRST.index(name) if name in LISTED_FIRST else len(LISTED_FIRST), name)


_FOLDER = Path(__file__).parent / "tables"
MEASURED_TABLES = tuple(sorted(_find_tables(_FOLDER / MEASURED_FOLDER), key=_place_in_list))
"""The tables in which a clock has a part: what it measured, and what follows from that."""

TABLES = tuple(sorted(_find_tables(_FOLDER), key=_place_in_list))
"""The other tables: the same bytes whenever they are built from the same results."""

ALL_TABLES = tuple(sorted((*TABLES, *MEASURED_TABLES), key=_place_in_list))
"""All of them, as they are listed."""

TABLE_FILES = (*TABLES, *(f"{MEASURED_FOLDER}/{name}" for name in MEASURED_TABLES))
"""The files of all tables, without their endings, below the folder of tables."""

TABLE_MODULES = tuple(f"{__name__}.tables.{file.replace('/', '.')}" for file in TABLE_FILES)
"""The modules that define them, which their digests must cover: nothing imports them by name."""
