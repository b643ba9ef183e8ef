"""The front door of publishing and verifying: what a reader with nothing but the repository finds out."""

import json
import shutil
from dataclasses import replace

import pytest

RUNS = 2 * 3 * 2 + 2 * 6
"""Of `tiny`: batch sizes × rates × tuning seeds, and batch sizes × evaluation seeds."""


@pytest.fixture(scope="module")
def published(_finished, tmp_path_factory):
    """A workspace in which `tiny` has been run and published, and what that printed."""
    root = tmp_path_factory.mktemp("published") / "project"
    shutil.copytree(_finished[0].root, root)
    workspace = replace(_finished[0], root=root)
    return workspace, workspace.run("publish")


@pytest.fixture
def clone(published, tmp_path):
    """What a reader has: the project with its published file, without results."""
    root = published[0].root

    def results_of_launches(folder, names):
        return {"results", ".snakemake"} & {*names} if folder == str(root) else ()

    shutil.copytree(root, tmp_path / "clone", ignore=results_of_launches)
    return replace(published[0], root=tmp_path / "clone")


def file_of(workspace):
    return workspace.root / "experiments/tiny.published.json"


def rewrite(workspace, change):
    content = json.loads(file_of(workspace).read_text())
    change(content)
    file_of(workspace).write_text(json.dumps(content))


def verification(workspace):
    return json.loads((workspace.results / "tiny/verification/verification.json").read_text())


def page(workspace):
    return (workspace.results / "tiny/verification/index.html").read_text()


def test_what_is_published_is_the_same_wherever_and_whenever(published, finished):
    workspace, printed = published
    assert f"{RUNS} runs are published in experiments/tiny.published.json" in printed
    finished.run("publish", TZ="Asia/Tokyo", PYTHONHASHSEED="7", LC_ALL="C")
    assert file_of(finished).read_bytes() == file_of(workspace).read_bytes()
    assert str(workspace.root) not in file_of(workspace).read_text()


def test_the_report_says_how_it_stands_to_what_was_published(published, tmp_path):
    shutil.copytree(published[0].root, tmp_path / "project")
    workspace = replace(published[0], root=tmp_path / "project")
    index, stored = workspace.results / "tiny/report/index.html", workspace.stored()
    assert "Not published." in index.read_text()
    printed = workspace.run()
    assert f"Published, and the same bit for bit:</b> {RUNS} of {RUNS} runs" in index.read_text()
    assert "[check" not in printed and "[tuning" not in printed and workspace.stored() == stored
    assert "Nothing to be done" in workspace.run()


def test_a_reader_with_nothing_but_the_repository_finds_the_same_bits(clone):
    printed = clone.run("verify", config=("sample=60%",))
    found = verification(clone)
    assert "tiny: reproduced bit for bit; 20 of 20 sampled runs are identical" in printed
    assert (found["verdict"], found["identical"], found["asked"]) == ("identical", 20, 20)
    assert {one["verdict"] for one in found["headlines"]} == {"identical"}
    assert "[verify] tiny: 20 of 20 sampled runs trained again" in printed
    assert "Reproduced, bit for bit" in page(clone)
    left = {file.name for file in (clone.results / "tiny").iterdir()} - {"logs", "launch.json", "launch.lock", "locks"}
    assert left == {"verification"} and not clone.stored()


def test_a_run_that_was_tampered_with_is_named_with_by_how_much(clone):
    def tamper(content):
        runs = content["cells"]["linear/sgd/constant/4"]["evaluation"]
        runs["test_loss"][2] *= 1.001
        runs["bits"] = runs["bits"].replace(runs["bits"].split()[2], "01234567")

    rewrite(clone, tamper)
    printed = clone.run("verify", fails=True)
    assert f"tiny: different from what was published; {RUNS - 1} of {RUNS} sampled runs are identical" in printed
    assert "run linear/sgd/constant/4, evaluation at 0.1, seed 1003: final test loss" in printed
    assert "by 0.0010 (relative)" in printed
    (different,) = verification(clone)["different"]
    assert different["relative"] == pytest.approx(0.001, rel=1e-2)
    assert "the published file contradicts itself: linear/sgd/constant/4.test_loss" in printed
    assert "Runs that came out otherwise" in page(clone)


def test_another_version_is_named_and_excused_where_every_bit_is_equal(clone):
    def other(content):
        for one in content["surroundings"]:
            one["keras"] = "3.14.7"

    rewrite(clone, other)
    printed = clone.run("verify", config=("sample=5%", "seed=7"))
    (found,) = verification(clone)["surroundings"]
    assert (found["name"], found["published"]) == ("keras", "3.14.7")
    assert f"other surroundings: keras: 3.14.7 published, {found['here']} here" in printed
    asked = verification(clone)["asked"]
    remark = f"the version of keras differs from that of the published runs, yet all {asked} sampled runs are equal"
    assert f"{remark} to the last bit" in printed
    assert f"tiny: reproduced bit for bit; {asked} of {asked} sampled runs are identical" in printed
    assert f"yet in the {asked} sampled runs all histories are equal to the last bit" in page(clone)


def test_another_version_is_not_excused_where_bits_differ(clone):
    def other(content):
        for one in content["surroundings"]:
            one["keras"] = "3.14.7"
        for cell in content["cells"].values():
            cell["evaluation"]["bits"] = " ".join(["01234567"] * 6)

    rewrite(clone, other)
    printed = clone.run("verify", config=("sample=30%",), fails=True)
    assert "other surroundings: keras: 3.14.7 published" in printed
    assert "reproduced within tolerance, but by other versions than were published" in printed
    assert "it is not the published software that was verified" in page(clone)


def test_other_sources_of_the_program_are_told_and_excused_where_every_bit_is_equal(clone):
    with (clone.root / "src/thalweg/training/engine/loop.py").open("a") as loop:
        loop.write("\n\nUNUSED = 0\n")
    printed = clone.run("verify", config=("sample=20%",))
    assert [one["name"] for one in verification(clone)["surroundings"]] == ["program"]
    asked = verification(clone)["asked"]
    remark = "the program's sources differ from those of the published runs, yet"
    assert f"{remark} all {asked} sampled runs are equal to the last bit" in printed
    assert f"{remark} in the {asked} sampled runs all histories are equal to the last bit" in page(clone)


def test_what_is_recorded_makes_no_other_experiment(clone):
    clone.tiny.write_text(clone.tiny.read_text().replace("epochs: 20,", "epochs: 20, record: [weights],"))
    printed = clone.run("verify", config=("sample=20%",))
    assert "tiny: reproduced bit for bit" in printed
    assert verification(clone)["configuration"] == verification(clone)["surroundings"] == []


def test_another_hyperparameter_is_named_before_anything_trains(clone):
    clone.tiny.write_text(clone.tiny.read_text().replace("class: SGD,", "class: SGD, momentum: 0.8,"))
    printed = clone.run("verify", fails=True)
    assert "another experiment: optimizers.sgd.momentum: absent published, 0.8 here" in printed
    assert "another experiment than was published; nothing was trained" in printed
    assert "[check" not in printed and "[verify" not in printed
    assert "optimizers.sgd.momentum" in page(clone)


def test_what_cannot_be_published_or_verified_is_told_in_one_message(workspace):
    printed = workspace.run("verify", fails=True)
    assert "verify: experiments/tiny.published.json does not exist: nothing of tiny is published" in printed
    printed = workspace.run("publish", fails=True)
    assert "results/tiny has no tables to publish; make them by snakemake --cores N --config" in printed
    printed = workspace.run("verify", config=("sample=5",), fails=True)
    assert "sample=5: must be a share of the published runs, as in sample=5%" in printed
    printed = workspace.run(config=("sample=5%",), fails=True)
    assert "sample=: is of verify alone; write snakemake … verify --config …" in printed
    file_of(workspace).write_text('{"experiment": "tiny"')
    printed = workspace.run(fails=True)
    assert "report: experiments/tiny.published.json is damaged: Expecting ',' delimiter" in printed
    assert "[check" not in printed, "nothing is trained for a report that could not be made"
    assert "Traceback" not in printed


def test_results_of_another_state_are_not_published(finished):
    finished.tiny.write_text(finished.tiny.read_text().replace("epochs: 20", "epochs: 21"))
    printed = finished.run("publish", fails=True)
    assert "results/tiny is not published: the results are of another state" in printed
    finished.tiny.write_text(finished.tiny.read_text().replace("epochs: 21", "epochs: 20").replace("n: 6", "n: 7"))
    printed = finished.run("publish", fails=True)
    assert "results/tiny is not published: 2 of 26 runs are missing; run snakemake --cores N" in printed
    assert not file_of(finished).exists()
