"""Priorities, as real processes have them."""

from __future__ import annotations

import os
import re
import subprocess
import sys

import pytest

from worker.serve.processes import AUTOGROUP


def said(command: list[str]) -> str:
    """What a command prints that runs in a session of its own."""
    return subprocess.run(command, capture_output=True, text=True, check=True, start_new_session=True).stdout


def python(call: str, shown: str) -> list[str]:
    """The command that calls a function of :mod:`worker.serve.processes` and prints an expression."""
    return [sys.executable, "-c", f"import os; from worker.serve.processes import *; {call}; print({shown})"]


def test_a_process_steps_aside() -> None:
    mine = int(said(python("pass", "os.nice(0)")))
    assert int(said(python("lower_priority(7)", "os.nice(0)"))) == min(19, mine + 7)


@pytest.mark.skipif(not AUTOGROUP.exists(), reason="this system shares processors out among processes, not sessions")
@pytest.mark.parametrize(
    ("own", "nice"),
    [pytest.param(True, 7, id="a session of its own"), pytest.param(False, 0, id="a session with others in it")],
)
def test_its_session_steps_aside_where_it_is_its_own(own: bool, nice: int) -> None:
    command = python("lower_priority(7)", "AUTOGROUP.read_text()")
    if not own:  # as from a terminal: by a script that somebody's shell runs
        command = ["sh", "-c", """sh -c '"$@"; true' sh "$@"; true""", "sh", *command]
    found = re.search(r"nice (-?\d+)", said(command))
    assert found is not None
    assert int(found[1]) == nice


@pytest.mark.skipif(sys.platform != "linux", reason="the policy is Linux's")
def test_what_has_all_night_runs_when_nobody_else_does() -> None:
    assert int(said(python("run_when_idle()", "os.sched_getscheduler(0)"))) == os.SCHED_IDLE
