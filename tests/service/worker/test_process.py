"""The composition root: everything is built when it is asked for, from the settings alone."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from app.contracts.settings import BadSettings, Settings
from perturbations.errors import BadInput
from perturbations.images import RgbArray
from tests.service.conftest import Bench
from worker.process import Installation, Process, check, offline, take_over


def test_nothing_is_opened_before_it_is_asked_for(tmp_path: Path) -> None:
    process = Process(Settings(redis_url="redis://127.0.0.1:1", data_dir=tmp_path / "var"), print)
    assert not (tmp_path / "var").exists()
    assert process.redis is process.redis
    assert process.jobs is process.jobs
    assert process.sweeper.jobs is process.jobs
    assert process.stages.current is process.activity.job, "the thread that renews leases sees what is worked on"
    assert process.trainer.lease is process.activity.training


def test_commands_read_the_storage_without_redis(bench: Bench) -> None:
    bench.perturbation()
    here = offline(Settings(data_dir=bench.settings.data_dir))
    assert here.versions.active() == bench.versions.announced()
    assert here.generators.enabled() == []


def test_the_face_model_of_the_settings_is_used(astronaut_png: bytes, tmp_path: Path, bench: Bench) -> None:
    settings = bench.settings.model_copy(update={"yunet_model": tmp_path / "missing.onnx"})
    process = Process(settings, lambda *_: None)
    pixels: RgbArray = np.zeros((64, 64, 3), dtype=np.uint8)
    with pytest.raises(BadInput, match="POISE_YUNET_MODEL"):
        process.locator(pixels)
    _, job = bench.accept(astronaut_png, scores=False)
    assert process.stages.protect(job.job_id, bench.perturbation) == "sent_again", "and the photo's stages use it"


def test_a_start_frees_what_an_earlier_one_left(bench: Bench, astronaut_png: bytes) -> None:
    bench.accept(astronaut_png)
    assert take_over(bench.settings) == 1
    assert len(Process(bench.settings, print).sweeper.overdue.take()) == 1


def test_settings_that_lead_nowhere_are_refused_at_start(bench: Bench) -> None:
    check(bench.settings)
    check(Settings(redis_url="redis://127.0.0.1:1"))  # it need not answer yet
    with pytest.raises(BadSettings, match="POISE_S3_ENDPOINT"):
        check(Settings(storage_url="s3://bucket", s3_endpoint="http://no host"))
    with pytest.raises(BadSettings, match="POISE_REDIS_URL"):
        _ = Installation(Settings()).redis
