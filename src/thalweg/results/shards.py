"""Parquet files, and the shards by which training jobs hand their runs to analysis."""

from collections.abc import Iterable, Mapping
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq

from thalweg.results.files import write_atomically
from thalweg.results.layout import SHARD_TABLES, shard_file


def write_table(file: Path, table: pa.Table) -> None:
    """Write a table as Parquet, atomically."""
    sink = pa.BufferOutputStream()
    pq.write_table(table, sink, compression="zstd")
    write_atomically(file, sink.getvalue().to_pybytes())


def write_shard(folder: Path, tables: Mapping[str, pa.Table]) -> None:
    """Write the tables of a shard, by the names of SHARD_TABLES, into a job's folder."""
    for name in SHARD_TABLES:
        write_table(shard_file(folder, name), tables[name])


def read_shards(folders: Iterable[Path], table: str, categories: Iterable[str] = ()) -> pa.Table:
    """Read one of SHARD_TABLES from the shards in some folders, one below the other.

    Args:
        folders: The shards' folders. A column that only some of them have is null in the others.
        table: The name of the table.
        categories: Columns to read as dictionaries: each text once, with the rows referring to it.

    Raises:
        FileNotFoundError: A shard is not there.
        pyarrow.ArrowInvalid: A shard is damaged.
    """
    tables = [_read_table(shard_file(folder, table), list(categories)) for folder in folders]
    return pa.concat_tables(tables, promote_options="default")


def _read_table(file: Path, categories: list[str]) -> pa.Table:
    # Files of a few thousand rows: Arrow's data sets and threads take longer to start than one file takes to read.
    with pq.ParquetFile(file, read_dictionary=categories) as opened:
        return opened.read(use_threads=False)
