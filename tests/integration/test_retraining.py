"""The front door of retraining: what trains again as it was, what does not, and what cannot be."""

import json

import numpy as np
import pandas as pd

from thalweg.results import store


def digest_of(workspace, batch_size, seed):
    """The digest of an evaluation run."""
    runs = pd.read_parquet(workspace.results / "tiny/runs/evaluation/linear/sgd/runs.parquet")
    return runs[(runs["batch_size"] == batch_size) & (runs["seed"] == seed)]["run"].item()


def tamper(workspace, digest, change):
    """Rewrite a stored record, with a right checksum."""
    record = store.read_run(workspace.results / "store", digest)
    change(record)
    store.write_run(workspace.results / "store", digest, record)


def outcome(workspace):
    return json.loads((workspace.results / "tiny/retrained/linear/sgd.json").read_text())


def progress_of(workspace):
    return {file.name: file.read_bytes() for file in (workspace.results / "tiny/progress").iterdir()}


def test_what_was_trained_trains_again_to_the_bit_and_what_was_tampered_with_is_named(finished):
    before, stored, progress = finished.content(), finished.stored(), progress_of(finished)
    printed = finished.run("retrain", config=("cell=linear",))
    assert "12 of 12 runs are identical, bit for bit" in printed
    assert outcome(finished)["identical"] == 12
    after = finished.content()
    assert after.pop("retrained/linear/sgd.json")
    assert (after, finished.stored(), progress_of(finished)) == (before, stored, progress), "nothing else is written"

    def flip_the_last_bit(record):
        losses = record["history"]["train_loss"]
        losses[2] = float(np.nextafter(np.float32(losses[2]), np.float32(np.inf)))

    def another_machine(record):
        record["measured"]["instruction_set"] = "z80"

    tampered = digest_of(finished, 4, 1003)
    tamper(finished, tampered, flip_the_last_bit)
    tamper(finished, digest_of(finished, 6, 1003), another_machine)
    store.run_file(finished.results / "store", digest_of(finished, 6, 1006)).unlink()
    stored = finished.stored()
    printed = finished.run("retrain", config=("cell=linear/sgd",), fails=True)
    (different,) = outcome(finished)["different"]
    (found,) = different["differences"]
    step = found["step"]
    assert (different["run"], different["seed"], found["name"]) == (tampered, 1003, "train_loss")
    assert 2**-25 < found["relative"] < 2**-22
    assert f"constant/4, seed 1003, run {tampered}: train_loss at step {step} {found['stored']!r} there" in printed
    assert f"{found['again']!r} here; 1 column differs, by up to {found['relative']:.1e} (relative)" in printed
    assert "constant/6, seed 1006 is missing from the results" in printed
    assert "1 run is from other surroundings: instruction_set 'z80' there" in printed
    assert "10 of 12 runs are identical, bit for bit" in printed
    assert "of 12 runs, different from those in results/tiny: 1; missing there: 1" in printed
    assert finished.stored() == stored, "nothing is mended"


def test_what_cannot_be_retrained_is_told_in_one_message(workspace):
    printed = workspace.run("retrain", fails=True)
    assert "retrain: of which cell? Write --config cell=PROBLEM/OPTIMIZER/SCHEDULE/BATCH_SIZE" in printed
    printed = workspace.run("retrain", config=("cell=linear/sdg",), fails=True)
    assert "cell=linear/sdg: 'sdg' is not among the optimizers (sgd) (did you mean sgd?)" in printed
    assert "Traceback" not in printed
    printed = workspace.run("retrain", config=("cell=linear/sgd",), fails=True)
    assert "results/tiny has no evaluation runs of linear × sgd to compare with; make them by" in printed
    assert "snakemake --cores N --config experiment=tiny" in printed
