"""Devices: what `auto` comes to, and who gets which GPU. No GPU is needed: CUDA_VISIBLE_DEVICES names them."""

from contextlib import ExitStack
from threading import Event, Thread

import pytest

from thalweg.training.jobs import devices


def test_what_is_declared_is_resolved_with_its_reason(monkeypatch):
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "0")
    assert devices.resolve("auto") == ("gpu", "gpu (auto: there is one)")
    assert devices.resolve("cpu") == ("cpu", "cpu, as declared")
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "-1")
    assert devices.resolve("auto") == ("cpu", "cpu (auto: this machine shows no GPU)")
    with pytest.raises(RuntimeError, match="write device: auto or cpu"):
        devices.resolve("gpu")


def test_a_cpu_job_sees_no_gpu(monkeypatch, tmp_path):
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "0")
    with devices.leased("cpu", tmp_path):
        assert devices.gpus() == []


def lease(stack, monkeypatch, locks, jobs_per_gpu):
    """As another job would: with all GPUs to choose from."""
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "0,1")
    stack.enter_context(devices.leased("gpu", locks, jobs_per_gpu))
    return devices.gpus()


def test_jobs_spread_over_gpus_before_they_share_one(monkeypatch, tmp_path):
    with ExitStack() as stack:
        assert [lease(stack, monkeypatch, tmp_path, 2) for _ in range(4)] == [["0"], ["1"], ["0"], ["1"]]


def test_a_job_waits_for_a_gpu_that_is_taken(monkeypatch, tmp_path):
    got = Event()

    def other():
        with devices.leased("gpu", tmp_path):
            got.set()

    with ExitStack() as stack:
        assert [lease(stack, monkeypatch, tmp_path, 1) for _ in range(2)] == [["0"], ["1"]]
        monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "0,1")
        waiting = Thread(target=other)
        waiting.start()
        assert not got.wait(2.5)
    assert got.wait(10)
    waiting.join()
