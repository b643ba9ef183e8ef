"""Records of what jobs left."""

import hashlib
import subprocess
import sys

from thalweg.results import digests


def test_the_command_that_ends_a_job_leaves_its_record_out_and_names_files_by_their_places(tmp_path):
    content = {
        "tables/cells.csv": b"a,b\n1,2\n",
        "report/cells/one.html": b"<p>one</p>",
        "report/a file.svg": bytes(99),
    }
    for name in (*content, "digests/report.sha256"):
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_bytes(content.get(name, b"an earlier record"))
    outputs = ["tables/cells.csv", "report/cells", "report/a file.svg", "digests/report.sha256"]
    command = [sys.executable, "-m", "thalweg.results.digests", "--results", ".", "--record", "digests/report.sha256"]
    subprocess.run([*command, *outputs], check=True, cwd=tmp_path)
    record = tmp_path / "digests/report.sha256"
    assert digests.read(record) == {name: hashlib.sha256(value).hexdigest() for name, value in content.items()}
    before = record.read_text()
    digests.write(record, tmp_path, [tmp_path / "tables/cells.csv", tmp_path / "report"])
    assert record.read_text() == before
