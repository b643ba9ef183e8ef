"""Files written atomically: whole or not at all."""

import multiprocessing
import os
import stat
import subprocess
import sys

import pytest

from thalweg.results import files


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
