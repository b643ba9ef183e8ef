"""Where results lie: users, papers and earlier results rely on these paths."""

from pathlib import Path

import pytest

from thalweg.results import layout

RESULTS = Path("results/tiny")
JOB = "tuning/sine/adam"


@pytest.mark.parametrize(
    ("path", "expected"),
    [
        (layout.store_folder(RESULTS.parent), "store"),
        (layout.gpu_locks_folder(layout.store_folder(RESULTS.parent)), "store/locks"),
        (layout.check_file(RESULTS, "sine"), "tiny/checks/sine.json"),
        (layout.checked_file(RESULTS), "tiny/checked.json"),
        (
            layout.shard_file(layout.shard_folder(RESULTS, "tuning", "sine", "adam"), "runs"),
            "tiny/runs/tuning/sine/adam/runs.parquet",
        ),
        (layout.chosen_file(RESULTS, "sine", "adam"), "tiny/chosen/sine/adam.json"),
        (layout.surface_file(RESULTS, "sine"), "tiny/surfaces/sine.parquet"),
        (layout.timings_file(RESULTS, "sine"), "tiny/timings/sine.parquet"),
        (layout.table_file(RESULTS, "measured/seconds", "csv"), "tiny/tables/measured/seconds.csv"),
        (layout.report_file(RESULTS, "index.html"), "tiny/report/index.html"),
        (layout.figure_file(RESULTS, "sine", "convergence", "svg"), "tiny/report/figures/sine/convergence.svg"),
        (layout.figure_file(RESULTS, None, "ranks", "pdf"), "tiny/report/figures/ranks.pdf"),
        (layout.paper_file(RESULTS, "numbers.tex"), "tiny/paper/numbers.tex"),
        (layout.retrained_file(RESULTS, "sine", "adam"), "tiny/retrained/sine/adam.json"),
        (layout.judged_file(RESULTS, Path("elsewhere/mine.yaml")), "tiny/judged/mine.csv"),
        (layout.verification_folder(RESULTS), "tiny/verification"),
        (layout.log_file(RESULTS, JOB), "tiny/logs/tuning/sine/adam.log"),
        (layout.record_file(RESULTS, JOB), "tiny/digests/tuning/sine/adam.sha256"),
        (layout.progress_file(RESULTS, JOB), "tiny/progress/tuning.sine.adam.json"),
        (layout.job_lock(RESULTS, JOB), "tiny/locks/tuning.sine.adam.lock"),
        (layout.launch_lock(RESULTS), "tiny/launch.lock"),
        (layout.damaged_folder(RESULTS), "tiny/damaged"),
    ],
)
def test_every_path_is_where_it_has_always_been(path, expected):
    assert path == Path("results", expected)
