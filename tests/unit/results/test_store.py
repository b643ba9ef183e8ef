"""The store: what is written is read, and what is damaged is found."""

import hashlib
import multiprocessing
import os
import random
import stat
import subprocess
import sys

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from thalweg.results import files, store

DIGEST = "ab" * 32
RECORD = {"history": {"step": [0, 1], "train_loss": [0.1, 1e-45]}, "text": "×"}


def test_a_record_comes_back_as_it_was(tmp_path):
    assert store.read_run(tmp_path, DIGEST) is None
    store.write_run(tmp_path, DIGEST, RECORD)
    assert store.read_run(tmp_path, DIGEST) == RECORD
    assert [file.name for file in tmp_path.rglob("*") if file.is_file()] == [f"{DIGEST}.json"]


@pytest.mark.parametrize(
    "damage", [lambda b: b[:-1], lambda b: b"", lambda b: b.replace(b"0.1", b"0.2"), lambda b: b[70:]]
)
def test_a_damaged_record_is_set_aside_and_counts_as_none(tmp_path, capsys, damage):
    store.write_run(tmp_path, DIGEST, RECORD)
    file = store.run_file(tmp_path, DIGEST)
    file.write_bytes(damage(file.read_bytes()))
    assert store.read_run(tmp_path, DIGEST) is None
    assert f"{file} is damaged" in capsys.readouterr().err
    assert not file.exists()
    assert file.with_suffix(".damaged").exists()


def test_a_thousand_of_a_thousand_flipped_bits_are_found(tmp_path, capsys):
    """Of entries as large as real ones, one bit each."""
    chance = random.Random(1)
    for k in range(1000):
        digest = hashlib.sha256(bytes([k % 256, k // 256])).hexdigest()
        store.write_run(tmp_path, digest, {"history": {"train_loss": [chance.random() for _ in range(200)]}})
        file = store.run_file(tmp_path, digest)
        content = bytearray(file.read_bytes())
        content[chance.randrange(len(content))] ^= 1 << chance.randrange(8)
        file.write_bytes(content)
        assert store.read_run(tmp_path, digest) is None
        assert file.with_suffix(".damaged").read_bytes() == content
    assert capsys.readouterr().err.count("is damaged (its checksum is wrong)") == 1000


def test_every_flipped_bit_is_found(tmp_path):
    store.write_run(tmp_path, DIGEST, RECORD)
    file = store.run_file(tmp_path, DIGEST)
    whole = file.read_bytes()
    for bit in range(8 * len(whole)):
        flipped = bytearray(whole)
        flipped[bit // 8] ^= 1 << bit % 8
        file.write_bytes(flipped)
        assert store.read_run(tmp_path, DIGEST) is None


numbers = st.floats(allow_nan=False, allow_infinity=False) | st.none() | st.integers(-(2**63), 2**63)
records = st.dictionaries(st.text(), st.text() | numbers | st.dictionaries(st.text(), st.lists(numbers)), max_size=5)


@settings(derandomize=True, deadline=None, max_examples=200)
@given(records, st.data())
def test_whatever_is_written_comes_back_and_whatever_is_damaged_is_found(tmp_path_factory, record, data):
    """Of 200 records each whole, with five random bits flipped one by one, and cut short."""
    folder = tmp_path_factory.getbasetemp() / "records"
    store.write_run(folder, DIGEST, record)
    file = store.run_file(folder, DIGEST)
    whole = file.read_bytes()
    assert store.read_run(folder, DIGEST) == record
    for bit in data.draw(st.lists(st.integers(0, 8 * len(whole) - 1), min_size=5, max_size=5)):
        flipped = bytearray(whole)
        flipped[bit // 8] ^= 1 << bit % 8
        file.write_bytes(flipped)
        assert store.read_run(folder, DIGEST) is None
    file.write_bytes(whole[: data.draw(st.integers(0, len(whole) - 1))])
    assert store.read_run(folder, DIGEST) is None


def test_what_cannot_be_written_ends_the_process_and_says_why(tmp_path):
    """Where a file may be no larger than a quota; a full disk is the same with other words."""
    script = (
        "import resource; from pathlib import Path; from thalweg.results import files, store\n"
        "resource.setrlimit(resource.RLIMIT_FSIZE, (1000, 1000))\n"
        f"files.write_atomically(Path({str(tmp_path)!r}) / 'large', bytes(2000))"
    )
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True)
    assert done.returncode == 1
    assert done.stderr == (
        f"{tmp_path / 'large'} cannot be written: File too large. What was finished is kept; mend that, and give the "
        "same command again\n"
    )
    assert list(tmp_path.iterdir()) == []


def test_a_killed_writer_leaves_nothing_under_the_name(tmp_path):
    script = (
        "import os, signal; from pathlib import Path; from thalweg.results import files, store\n"
        f"target = Path({str(tmp_path)!r}) / 'whole'\n"
        "Path.replace = lambda *_: os.kill(os.getpid(), signal.SIGKILL)\n"
        "files.write_atomically(target, b'x' * 10_000_000)"
    )
    assert subprocess.run([sys.executable, "-c", script]).returncode == -9
    assert not (tmp_path / "whole").exists()
    files.write_atomically(tmp_path / "whole", b"new")
    assert (tmp_path / "whole").read_bytes() == b"new"


@pytest.mark.parametrize(("umask", "mode"), [(0o022, 0o644), (0o027, 0o640), (0o077, 0o600)])
def test_a_file_is_open_to_those_whom_the_users_umask_lets_in(tmp_path, umask, mode):
    before = os.umask(umask)
    try:
        files.write_atomically(tmp_path / "file", b"text")
    finally:
        os.umask(before)
    assert stat.S_IMODE((tmp_path / "file").stat().st_mode) == mode


def write_often(file, content):
    for _ in range(200):
        files.write_atomically(file, content)


def test_of_many_writers_at_once_one_has_written_the_whole(tmp_path):
    file = tmp_path / "file"
    contents = [bytes([letter]) * 50_000 for letter in b"abcd"]
    writers = [multiprocessing.Process(target=write_often, args=(file, content)) for content in contents]
    files.write_atomically(file, contents[0])
    for writer in writers:
        writer.start()
    while any(writer.is_alive() for writer in writers):
        assert file.read_bytes() in contents
    assert [writer.exitcode for writer in writers] == [0] * 4
    assert list(tmp_path.iterdir()) == [file]
