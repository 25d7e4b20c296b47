"""A whole service where there is a CUDA device: what the worker does there, it does on that device."""

from __future__ import annotations

import time
from pathlib import Path

import pytest
import torch

from perturbations import artifact
from perturbations.checkpoints.shipped import load_surrogates
from perturbations.protect import protect_photo
from perturbations.score import score_photo
from tests.service.helpers import running

KEY = "an-administrator's-key"


@pytest.mark.cuda
@pytest.mark.slow
@pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a CUDA device")
def test_protects_scores_and_trains_on_cuda(tmp_path: Path, astronaut_png: bytes) -> None:
    run = running.start(tmp_path / "var", POISE_ADMIN_KEYS=KEY, POISE_TRAINING_PRIORITY="normal")
    try:
        run.client.headers["Authorization"] = f"Bearer {KEY}"
        report = run.settled(run.accepted(astronaut_png))
        assert report["status"] == "scored"
        on_cpu = score_photo(
            astronaut_png, protect_photo(astronaut_png, artifact.active()).data, targets=load_surrogates()
        )
        for row, expected in zip(report["scores"], on_cpu.scores, strict=True):
            assert row["l2_mask"] == pytest.approx(expected.l2_mask, rel=0.05, abs=1e-4)

        here = run.client.post("/v1/admin/trainings", json={}).headers["Location"]
        end = time.monotonic() + 600
        while (training := run.report(here))["status"] in ("queued", "running"):
            assert time.monotonic() < end
            time.sleep(0.5)
        assert training["status"] in ("succeeded", "rejected"), training
        events = [line for line in run.log.read_text().splitlines() if "device=" in line]
        assert {line.split()[4] for line in events} == {"score.warm", "training.started"}
        assert all("device=cuda" in line for line in events)
    finally:
        run.stop()
