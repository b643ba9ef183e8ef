"""The front door with what a user may get wrong: one message, no traceback, and nothing is trained."""

import pytest

PROBLEM = "experiments/problems/linear.py"


@pytest.mark.parametrize(
    ("experiment", "config", "message"),
    [
        ("../tiny", (), "experiment=../tiny: experiments has no such experiment (did you mean tiny?); it has article,"),
        ("", (), "experiment=: experiments has no such experiment; it has article, every_key, smoke, tiny"),
        ("[tiny,smoke]", (), "has no such experiment"),
        ("7", (), "experiment=7: experiments has no such experiment; it has article, every_key, smoke, tiny"),
        ("😀 'x'", (), "has no such experiment"),
        (
            "tiny",
            ("cel=linear",),
            "--config cel=: is no setting (did you mean cell?); there are experiment, cell, claims",
        ),
        (
            "tiny",
            ("cell=linear/sgd/7",),
            "cell=linear/sgd/7: '7' is not among the schedules (constant); write --config",
        ),
        ("tiny", ("cell=linear/sgd",), "cell=linear/sgd: is of retrain alone; write snakemake … retrain --config …"),
        ("tiny", ("claims=experiments",), "experiments: Is a directory"),
        ("tiny", ("claims=7",), "7: No such file or directory"),
        ("tiny", ("claims=experiments/problems/linear.py",), "linear.py has 1 mistake; nothing was trained:"),
    ],
)
def test_a_mistake_on_the_command_line(workspace, experiment, config, message):
    printed = workspace.run(fails=True, experiment=experiment, config=config)
    assert message in printed
    assert "Traceback" not in printed
    assert not workspace.stored()


def test_a_problem_file_that_cannot_be_read_stops_before_any_job(workspace):
    file = workspace.root / PROBLEM
    file.write_text(file.read_text().replace("points = Split(", "points = Split((", 1))
    printed = workspace.run(fails=True)
    assert "experiments/tiny.yaml has 1 mistake; nothing was trained:" in printed
    assert f"problems.linear: {PROBLEM}, line 13: '(' was never closed" in printed
    assert "Traceback" not in printed
    file.write_bytes(b"\0" * 10)
    assert "problems.linear: " in workspace.run(fails=True)
    file.write_text("x = " + "(" * 500 + ")" * 500)
    assert "problems.linear: " in workspace.run(fails=True)
    assert not workspace.results.exists()


def test_a_problem_file_that_leaves_python_stops_before_training(workspace):
    file = workspace.root / PROBLEM
    file.write_text("import sys\nprint('{}')\nsys.exit(0)\n" + file.read_text())
    workspace.tiny.write_text(workspace.tiny.read_text().replace("class: SGD,", "class: raising:Own,"))
    (workspace.root / "experiments/raising.py").write_text("1 / 0\n")
    printed = workspace.run(fails=True)
    assert "experiments/tiny.yaml has 2 mistakes; nothing was trained:" in printed
    assert f"{PROBLEM}, line 3: SystemExit: 0" in printed
    assert "optimizers.sgd: class: raising:Own cannot be imported: division by zero" in printed
    assert "Traceback" not in printed
    assert not workspace.stored()
