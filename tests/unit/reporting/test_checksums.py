"""Checksums, as the tool that reads them reads them."""

import hashlib
import shutil
import subprocess

import pytest

from thalweg.reporting import SUMS
from thalweg.reporting.html import checksums
from thalweg.results import digests


def check(report, name):
    """What sha256sum says of a list of a report, and whether all is well."""
    done = subprocess.run(["sha256sum", "--check", "--strict", name], cwd=report, capture_output=True, text=True)
    return done.stdout.splitlines(), done.returncode == 0


def listed(report, name):
    return [line.partition("  ")[2] for line in (report / name).read_text().splitlines()]


@pytest.mark.skipif(not shutil.which("sha256sum"), reason="there is no sha256sum")
def test_sha256sum_confirms_every_file_and_finds_one_that_was_changed(report, tmp_path):
    copy = tmp_path / "report"
    shutil.copytree(report, copy)
    for name in SUMS:
        told, well = check(copy, name)
        assert well
        assert told == [f"{place}: OK" for place in listed(copy, name)]
    with (copy / "index.html").open("a") as page:
        page.write(" ")
    told, well = check(copy, SUMS[0])
    assert not well
    assert [line for line in told if not line.endswith(": OK")] == ["index.html: FAILED"]


def test_every_file_is_in_one_list_but_the_lists_themselves(report):
    there = {path.relative_to(report).as_posix() for path in report.rglob("*") if path.is_file()}
    same, measured = (listed(report, name) for name in SUMS)
    assert same == sorted(same)
    assert measured == sorted(measured)
    assert sorted(same + measured) == sorted(there - {*SUMS})
    assert {place for place in there if "measured/" in place} | {"cost.html"} == {*measured}


def test_what_snakemake_hides_in_a_report_is_none_of_it(report, tmp_path):
    copy = tmp_path / "report"
    shutil.copytree(report, copy)
    (copy / "cells" / ".snakemake_timestamp").touch()
    checksums.write(copy)
    for name in SUMS:
        assert (copy / name).read_bytes() == (report / name).read_bytes()


def test_a_files_digest_is_that_of_the_standard(tmp_path):
    """FIPS 180-2, appendix B.1."""
    (tmp_path / "abc").write_bytes(b"abc")
    wanted = "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad"
    assert digests.file_digest(tmp_path / "abc") == hashlib.sha256(b"abc").hexdigest() == wanted
