"""How ``poise serve`` starts its processes."""

from __future__ import annotations

import os
import subprocess
import sys
from multiprocessing import forkserver

import pytest

from worker.serve.launcher import Child


def test_a_worker_that_cannot_be_forked_is_started_by_itself(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    def ended(_: list[int]) -> tuple[int, int]:
        raise EOFError

    monkeypatch.setattr(forkserver, "connect_to_new_process", ended)
    child = Child("score@poise", [sys.executable, "-S", "-c", ""], dict(os.environ), preloaded=True)
    child.start()
    assert isinstance(child.process, subprocess.Popen)
    assert child.process.wait(30) == 0
    assert [record.getMessage() for record in caplog.records] == ["launcher.not_forked"]
