"""What the terminal is told of runs done, runs left and time left."""

from pathlib import Path

from thalweg.experiment.loading import load
from thalweg.results import progress

SMOKE = load(Path(__file__).parents[3] / "experiments/smoke.yaml")
TOTAL = {"linear": 2 * 2 * (6 * 2 + 2 * 6), "sine": 1 * 2 * (6 * 2 + 2 * 6) + 6, "digits_cnn": 1 * 2 * (6 * 2 + 2 * 6)}


def job(problem, done, seconds):
    return progress.Progress(problem, total=100, done=done, from_store=0, trained=done, seconds=seconds)


def test_time_left_is_told_once_every_problem_has_begun():
    jobs = [job("linear", 10, 20.0), job("sine", 4, 2.0)]
    line = progress.experiment_line(SMOKE, jobs, workers=2)
    assert line == "smoke: 14 of 198 runs done, 184 left, time left not known before digits_cnn began"
    jobs.append(job("digits_cnn", 8, 80.0))
    seconds = (2.0 * (TOTAL["linear"] - 10) + 0.5 * (TOTAL["sine"] - 4) + 10.0 * (TOTAL["digits_cnn"] - 8)) / 2
    assert progress.experiment_line(SMOKE, jobs, workers=2).endswith(f"176 left, about {seconds / 60:.0f} min to go")


def test_a_problem_that_is_all_there_takes_no_time():
    jobs = [job(problem, done, 1.0) for problem, done in TOTAL.items()]
    assert progress.experiment_line(SMOKE, jobs, workers=1) == "smoke: 198 of 198 runs done, 0 left, about 0 s to go"


def test_durations_are_told_in_a_fitting_unit():
    assert [progress.format_duration(seconds) for seconds in (4, 89, 240, 5000, 9000)] == [
        "4 s",
        "89 s",
        "4 min",
        "83 min",
        "2.5 h",
    ]
