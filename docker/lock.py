"""Write the lock files of the images: exact versions of constraints.txt, and the hashes of their wheels.

Run by ``make locks`` with Python 3.11 on Linux for x86-64, the images' own: pip reads there what needs what. Hashes are
those that the usual index tells, whatever else pip is set up with: another source may hold another build under the same
version. With TORCH_CPU_INDEX in the environment, those of its CPU build of torch are asked for too.
"""

from __future__ import annotations

import json
import os
import platform
import re
import subprocess
import sys
import tempfile
import tomllib
from pathlib import Path
from typing import Any, Final

FOLDER: Final = Path(__file__).parent
ROOT: Final = FOLDER.parent
MACHINES: Final = ("x86_64", "aarch64")
GLIBC: Final = 36
"""The last figure of the C library of the images, 2.36."""
HEAD: Final = "# Made by `make locks` from constraints.txt: do not edit.\n"

Hashes = dict[str, set[str]]
"""By ``name==version``."""


def pip(*arguments: str, index: str = "") -> list[dict[str, Any]]:
    """What pip would install, as its report lists it."""
    environment = {name: value for name, value in os.environ.items() if not _names_a_source(name)}
    with tempfile.TemporaryDirectory() as folder:
        report = Path(folder) / "report.json"
        command = [sys.executable, "-m", "pip", "install", "--quiet", "--dry-run", "--ignore-installed"]
        command += ["--report", str(report), *(["--index-url", index] if index else []), *arguments]
        subprocess.run(  # noqa: S603 - pip, with our own requirements
            command, env=environment | {"PIP_CONFIG_FILE": os.devnull}, check=True
        )
        found: list[dict[str, Any]] = json.loads(report.read_text())["install"]
    return found


def _names_a_source(name: str) -> bool:
    return name in ("PIP_INDEX_URL", "PIP_EXTRA_INDEX_URL", "PIP_FIND_LINKS", "PIP_CONSTRAINT")


def platforms(machine: str) -> list[str]:
    """Options for wheels of the images on ``machine``."""
    tags = [f"manylinux_2_{minor}_{machine}" for minor in range(GLIBC, 4, -1)]
    tags += [f"manylinux2014_{machine}", f"manylinux2010_{machine}", f"manylinux1_{machine}", f"linux_{machine}"]
    named = [option for tag in tags for option in ("--platform", tag)]
    target = ["--target", tempfile.gettempdir(), "--only-binary", ":all:", "--python-version", "3.11"]
    return [*named, *target, "--implementation", "cp"]


def resolved(requirements: list[str]) -> Hashes:
    """Every distribution that ``requirements`` bring, on any machine, with the hash of its wheel for each."""
    first = pip("-c", str(ROOT / "constraints.txt"), *platforms(MACHINES[0]), *requirements)
    hashes = _hashes(first)
    for machine in MACHINES[1:]:
        for pin, more in _elsewhere(list(hashes), machine).items():
            hashes[pin] |= more
    return hashes


def _elsewhere(pins: list[str], machine: str) -> Hashes:
    """The same versions for another machine, of those that exist for it."""
    try:
        return _hashes(pip("--no-deps", *platforms(machine), *pins))
    except subprocess.CalledProcessError:
        if len(pins) == 1:
            sys.stderr.write(f"no wheel of {pins[0]} for {machine}\n")
            return {}
    half = len(pins) // 2
    return _elsewhere(pins[:half], machine) | _elsewhere(pins[half:], machine)


def _hashes(report: list[dict[str, Any]]) -> Hashes:
    return {
        f"{_plain(item['metadata']['name'])}=={item['metadata']['version']}": {
            item["download_info"]["archive_info"]["hashes"]["sha256"]
        }
        for item in report
    }


def _plain(name: str) -> str:
    return re.sub(r"[-_.]+", "-", name).lower()


def write(name: str, hashes: Hashes, *, remark: str = "") -> None:
    """A file that ``pip install --require-hashes`` takes."""
    lines = [f"# {line}\n" for line in remark.splitlines()]
    for pin, digests in sorted(hashes.items()):
        lines += [" \\\n".join([pin, *(f"    --hash=sha256:{digest}" for digest in sorted(digests))]), "\n"]
    (FOLDER / name).write_text(HEAD + "".join(lines))


def main() -> None:
    """Write all of them."""
    if (sys.version_info[:2], platform.system(), platform.machine()) != ((3, 11), "Linux", MACHINES[0]):
        sys.exit("lock files are made with Python 3.11 on Linux for x86-64, as the images have it")
    tested = [line for line in (ROOT / "constraints.txt").read_text().splitlines() if "==" in line]
    torch = next(line for line in tested if line.startswith("torch=="))
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())
    everything = subprocess.run(  # noqa: S603 - a script of ours
        [sys.executable, str(FOLDER / "worker-requirements.py")], cwd=ROOT, capture_output=True, text=True, check=True
    ).stdout.splitlines()

    worker = resolved([*everything, torch])
    known = {_plain(line.partition("==")[0]) for line in tested} - {"torch"}
    # what only the CUDA build of torch needs is pinned here alone
    write("worker.lock", {pin: found for pin, found in worker.items() if pin.partition("==")[0] in known})
    write("torch.lock", resolved([torch]), remark="torch as the usual index has it, with what NVIDIA devices need.")
    lines = (FOLDER / "api-requirements.txt").read_text().splitlines()
    write("api.lock", resolved([line for line in lines if line and not line.startswith("#")]))
    write("build.lock", resolved(project["build-system"]["requires"]))
    _write_cpu(torch)


def _write_cpu(torch: str) -> None:
    index = os.environ.get("TORCH_CPU_INDEX", "")
    if not index:
        sys.stderr.write("TORCH_CPU_INDEX is not set: torch-cpu.lock stays as it is\n")
        return
    found: Hashes = {torch: set()}
    for machine in MACHINES:
        report = pip("--no-deps", *platforms(machine), torch, index=index)
        found[torch] |= next(iter(_hashes(report).values()))
    write("torch-cpu.lock", found, remark="The CPU build of torch, from the index TORCH_CPU_INDEX names.")


if __name__ == "__main__":
    main()
