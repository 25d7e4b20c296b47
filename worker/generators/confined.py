"""Handles untrusted files in a separate process, which may hang, use up memory or crash without harming its parent.

:func:`run` starts ``python -m MODULE``, passes it a task as JSON on standard input, and reads a JSON document from the
file that the task names. The module calls :func:`task`, then :func:`confine` before it opens anything, and finally
:func:`answer`.
"""

from __future__ import annotations

import ctypes
import json
import math
import os
import resource
import signal
import subprocess
import sys
import time
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from worker.serve.processes import die_with_parent

MAX_ANSWER: Final = 262_144
"""Bytes of the largest answer that is read: an untrusted file might make it huge."""
_KEPT: Final = ("PATH", "HOME", "LANG", "LC_ALL", "LD_LIBRARY_PATH", "TMPDIR", "VIRTUAL_ENV")
"""The environment variables such a process gets: no keys, no passwords."""
_BY_THE_CLOCK: Final = 3
"""How many times longer it may take by the clock than in processor time, since processors are shared."""
_PAUSE_SECONDS: Final = 0.2
_MEGABYTE: Final = 1_000_000


@dataclass(frozen=True, slots=True)
class Ended:
    """How it ended: its answer, or ``None`` if it was stopped or crashed; seconds by the clock; peak memory.

    stopped: whether it was ended at a limit, without an answer.
    """

    answer: Mapping[str, Any] | None
    stopped: bool
    seconds: float
    megabytes: int


def run(module: str, task: Mapping[str, Any], *, folder: Path, processor_seconds: int, megabytes: int) -> Ended:
    """Have ``module`` do ``task`` in a separate process.

    Args:
        folder: holds its answer for a moment.
        processor_seconds: processor time it may take from :func:`task` on. By the clock, it may take three times as
            long in all.
        megabytes: memory it may take in all. This is checked from outside, less precisely than by :func:`confine`.
    """
    answer = folder / "answer.json"
    began = time.monotonic()
    process = _started(module)
    whole = {**task, "answer": str(answer), "parent": os.getpid(), "processor_seconds": processor_seconds}
    try:
        _hand_over(process, whole)
        peak, stopped = _watch(process, until=began + _BY_THE_CLOCK * processor_seconds, megabytes=megabytes)
    finally:
        process.kill()
        process.wait()
    seconds = time.monotonic() - began
    if process.returncode != 0:
        stopped = stopped or process.returncode in (-signal.SIGXCPU, -signal.SIGKILL)
        return Ended(None, stopped=stopped, seconds=seconds, megabytes=peak)
    return Ended(_read(answer), stopped=False, seconds=seconds, megabytes=peak)


def _started(module: str) -> subprocess.Popen[bytes]:
    """Start it; its task comes on standard input."""
    return subprocess.Popen(  # noqa: S603 - a module of ours
        [sys.executable, "-m", module],
        stdin=subprocess.PIPE,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
        env=_environment(),
    )


def _environment() -> dict[str, str]:
    """Its environment: parts of this one, and the same packages, including plug-ins."""
    kept = {name: os.environ[name] for name in _KEPT if name in os.environ}
    return {**kept, "OMP_NUM_THREADS": "1", "PYTHONPATH": os.pathsep.join(filter(None, sys.path))}


def _hand_over(process: subprocess.Popen[bytes], task: Mapping[str, Any]) -> None:
    stream = process.stdin
    if stream is not None:
        with suppress(BrokenPipeError), stream:  # if it has crashed already, its exit status says so
            stream.write(json.dumps(task).encode())


def _watch(process: subprocess.Popen[bytes], *, until: float, megabytes: int) -> tuple[int, bool]:
    """Wait for its end, or kill it at a limit. Returns its peak memory, and whether it was killed."""
    peak, stopped = 0, False
    while True:
        peak = max(peak, peak_megabytes(process.pid))
        if time.monotonic() > until or peak > megabytes:
            stopped = True
            process.kill()
        with suppress(subprocess.TimeoutExpired):
            process.wait(_PAUSE_SECONDS)
            return peak, stopped


def _read(path: Path) -> Mapping[str, Any] | None:
    try:
        if path.stat().st_size > MAX_ANSWER:
            return None
        found = json.loads(path.read_bytes())
    except (OSError, ValueError, RecursionError):
        return None
    return found if isinstance(found, dict) else None


def task() -> dict[str, Any]:
    """In such a process: its task. It ends with its parent, and is the first to be killed if memory runs out."""
    found: dict[str, Any] = json.load(sys.stdin)
    die_with_parent(found["parent"])
    seconds = math.ceil(time.process_time()) + int(found["processor_seconds"])
    resource.setrlimit(resource.RLIMIT_CPU, (seconds, seconds + 1))
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    with suppress(OSError):  # not every system has it
        Path("/proc/self/oom_score_adj").write_text("1000")
    os.nice(5)
    return found


def confine(*, megabytes: int, file_bytes: int) -> None:
    """In such a process, once all code is loaded: limit the memory it may take from now on, and the size of files."""
    data = _status("VmData")
    if data is not None:
        limit = data * 1024 + megabytes * _MEGABYTE
        resource.setrlimit(resource.RLIMIT_DATA, (limit, limit))
    resource.setrlimit(resource.RLIMIT_FSIZE, (file_bytes, file_bytes))


def peak_megabytes(pid: int | str = "self") -> int:
    """The peak memory of a process, in megabytes; 0 if the system does not say."""
    return (_status("VmHWM", pid) or 0) * 1024 // _MEGABYTE


def resident_megabytes() -> int:
    """The memory this process uses, in megabytes; 0 if the system does not say."""
    return (_status("VmRSS") or 0) * 1024 // _MEGABYTE


def forget_peak() -> None:
    """Give unused memory back and restart the measurement of peak memory, if the system can."""
    with suppress(AttributeError):  # GNU's library only
        ctypes.CDLL(None).malloc_trim(0)
    with suppress(OSError):
        Path("/proc/self/clear_refs").write_text("5")


def answer(path: str, document: Mapping[str, Any]) -> None:
    """In such a process: write its answer, completely or not at all."""
    partial = Path(path + ".partial")
    partial.write_text(json.dumps(document, allow_nan=False))
    partial.replace(path)


def _status(field: str, pid: int | str = "self") -> int | None:
    """A line of /proc/PID/status, in KiB."""
    try:
        lines = Path(f"/proc/{pid}/status").read_text().splitlines()
    except OSError:
        return None
    return next((int(line.split()[1]) for line in lines if line.startswith(f"{field}:")), None)
