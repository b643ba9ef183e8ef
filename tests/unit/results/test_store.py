"""The store: what is written is read, and what is damaged is found."""

import hashlib
import random

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from thalweg.results import store

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
