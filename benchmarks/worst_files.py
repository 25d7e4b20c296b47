"""The slowest and largest photos that are accepted, one of each sort: what checking, reading and protecting them takes.

.venv/bin/python -m benchmarks.worst_files [NAME…] [--out FOLDER] [--protect]

Makes files of at most 25 MB and 50 megapixels that stay just below every other limit, and looks at each in a process of
its own. Prints seconds of processor time and the most memory that process had in use; ``refused`` is what to look for
where a limit is new. --out keeps the files, to send them to a service.
"""

from __future__ import annotations

import argparse
import io
import json
import os
import struct
import subprocess
import sys
import tempfile
import time
import zlib
from collections.abc import Callable
from pathlib import Path
from typing import Any, Final

import numpy as np
import numpy.typing as npt
from PIL import Image, ImageFile

from app.contracts.problems import Problem
from app.photos.inspection import inspect
from app.photos.intricacy import ARITHMETIC_WEIGHT, MAX_CHUNKS, MAX_SCANS, MAX_SEGMENTS
from perturbations.errors import BadImage
from perturbations.images import MAX_PIXELS
from perturbations.photo import decode
from tests.service.helpers.damaged_uploads import peaks
from tests.service.helpers.parts import chunk, part, segment

MAX_BYTES: Final = 25_000_000
SIDE: Final = 7_056
"""The largest multiple of 16 whose square is below 50 million."""


ImageFile.MAXBLOCK = 1 << 26  # or Pillow cannot write a large progressive JPEG


def progressive() -> bytes:
    """Every scan passes over all coefficients, and tells in 50 bytes that none of them changes."""
    blocks = (SIDE // 8) ** 2
    run = "".join("0" + format(left - 16_384, "014b") for left in _runs(blocks))
    scan = _bits(run)
    tables = segment(0xC4, b"\0\0\2" + bytes(14) + b"\0\1") + segment(0xC4, b"\x10\1" + bytes(15) + b"\xe0")
    first = segment(0xDA, b"\3\1\0\2\0\3\0\0\0\0") + _bits("00" * blocks * 3)
    others = (segment(0xDA, bytes((1, number % 3 + 1, 0, 1, 63, 0x10))) + scan for number in range(MAX_SCANS - 1))
    return _jpeg(0xC2, tables + first + b"".join(others))


def arithmetic() -> bytes:
    """Coded arithmetically, a decision takes next to no bytes."""
    coded = b"\x55" * 20
    first = segment(0xDA, b"\3\1\0\2\0\3\0\0\0\0") + coded
    count = MAX_SCANS // ARITHMETIC_WEIGHT - 1
    return _jpeg(
        0xCA, first + b"".join(segment(0xDA, bytes((1, n % 3 + 1, 0, 1, 63, 0x10))) + coded for n in range(count))
    )


def dense_jpeg() -> bytes:
    """As many bytes of coded data as are taken."""
    return _largest(lambda quality: _saved(_grain(), "JPEG", quality=quality, subsampling=0), (24, 20, 16))


def dense_progressive() -> bytes:
    """The same in ten scans."""
    return _largest(
        lambda quality: _saved(_grain(), "JPEG", quality=quality, subsampling=0, progressive=True), (24, 20, 16)
    )


def described_jpeg() -> bytes:
    """Metadata in as many segments as are taken, each of which a reader adds to the others."""
    small = _saved(_grain(64), "JPEG")
    room = (MAX_BYTES - len(small)) // (MAX_SEGMENTS - 20) - 10
    return small[:2] + segment(0xE1, b"Exif\0\0" + bytes(room)) * (MAX_SEGMENTS - 20) + small[2:]


def interlaced() -> bytes:
    """16 bits, four channels, in seven passes; the last filter is the slowest to undo."""
    head = struct.pack(">IIBBBBB", SIDE, SIDE, 16, 6, 0, 0, 1)
    coder, body = zlib.compressobj(6), bytearray()
    pattern = np.random.default_rng(0).bytes(997)
    for x, y, across, down in (
        (0, 0, 8, 8),
        (4, 0, 8, 8),
        (0, 4, 4, 8),
        (2, 0, 4, 4),
        (0, 2, 2, 4),
        (1, 0, 2, 2),
        (0, 1, 1, 2),
    ):
        length = 8 * len(range(x, SIDE, across))
        row = b"\4" + (pattern * (length // len(pattern) + 1))[:length]
        for _ in range(y, SIDE, down):
            body += coder.compress(row)
    return b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", head) + chunk(b"IDAT", bytes(body) + coder.flush()) + chunk(b"IEND")


def many_chunks() -> bytes:
    """A PNG in as many chunks as are taken."""
    small = _saved(_grain(64), "PNG")
    return small[:33] + chunk(b"abCd", bytes(800)) * (MAX_CHUNKS - 10) + small[33:]


def dense_webp() -> bytes:
    """Lossy, and as many bytes as are taken."""
    return _largest(lambda quality: _saved(_grain(), "WEBP", quality=quality, method=0), (80, 60, 40, 20, 0))


def lossless_webp() -> bytes:
    """Lossless, of grain that does not compress."""
    return _largest(lambda steps: _saved(_grain(steps=steps), "WEBP", lossless=True, quality=0, method=0), (8, 4, 3, 2))


def many_parts() -> bytes:
    """A WebP in as many chunks as are taken."""
    small = _saved(_grain(64), "WEBP")
    body = small[12:] + part(b"abcd", bytes(800)) * (MAX_CHUNKS - 10)
    return b"RIFF" + struct.pack("<I", len(body) + 4) + b"WEBP" + body


def dense_avif() -> bytes:
    """As many bytes as are taken, at full colour resolution."""
    return _largest(
        lambda quality: _saved(_grain(), "AVIF", quality=quality, subsampling="4:4:4", speed=10), (60, 50, 40, 30)
    )


def avif_with_alpha() -> bytes:
    """The same with a second picture that says how transparent it is."""

    def made(quality: int) -> bytes:
        picture = _grain()
        picture.putalpha(picture.getchannel(0))
        return _saved(picture, "AVIF", quality=quality, subsampling="4:4:4", speed=10)

    return _largest(made, (50, 40, 30, 20))


FILES: Final[dict[str, Callable[[], bytes]]] = {
    "jpeg-scans": progressive,
    "jpeg-arithmetic": arithmetic,
    "jpeg-dense": dense_jpeg,
    "jpeg-dense-progressive": dense_progressive,
    "jpeg-segments": described_jpeg,
    "png-interlaced": interlaced,
    "png-chunks": many_chunks,
    "webp-dense": dense_webp,
    "webp-lossless": lossless_webp,
    "webp-chunks": many_parts,
    "avif-dense": dense_avif,
    "avif-alpha": avif_with_alpha,
}


def looked_at(path: Path, *, protect: bool) -> dict[str, Any]:
    """What one file takes: seconds to check, to read, to protect; megabytes."""
    data = path.read_bytes()
    row: dict[str, Any] = {"bytes": len(data)}
    began = time.process_time()
    try:
        source = inspect(data, max_pixels=MAX_PIXELS)
        row |= {"size": f"{source.width}×{source.height}", "check": time.process_time() - began}
        began = time.process_time()
        decode(data)
        row |= {"read": time.process_time() - began, "memory": _memory()}
        if protect:
            row |= _protected(data)
    except (Problem, BadImage) as error:
        row["refused"] = str(error)
    return row


def _protected(data: bytes) -> dict[str, Any]:
    from perturbations.artifact import active  # noqa: PLC0415 - torch takes memory of its own
    from perturbations.protect import protect_photo  # noqa: PLC0415 - as above

    began = time.process_time()
    protect_photo(data, active())
    return {"protect": time.process_time() - began, "memory": _memory()}


def _memory() -> int:
    """Megabytes, at most, so far."""
    return max(peaks([os.getpid()])) // 1_000_000


def _grain(side: int = SIDE, *, steps: int = 256) -> Image.Image:
    """A picture without any pattern."""
    rng = np.random.default_rng(0)
    values: npt.NDArray[np.uint8] = rng.integers(0, steps, (side, side, 3), dtype=np.uint8)
    return Image.fromarray(values)


def _saved(image: Image.Image, kind: str, **options: Any) -> bytes:
    data = io.BytesIO()
    image.save(data, kind, **options)
    return data.getvalue()


def _largest(make: Callable[[int], bytes], choices: tuple[int, ...]) -> bytes:
    """The first that is no larger than what is taken, or the last."""
    for choice in choices:
        data = make(choice)
        if len(data) <= MAX_BYTES:
            break
    return data


def _jpeg(frame: int, scans: bytes) -> bytes:
    size = struct.pack(">BHHB9B", 8, SIDE, SIDE, 3, 1, 0x11, 0, 2, 0x11, 0, 3, 0x11, 0)
    return b"\xff\xd8" + segment(0xDB, b"\0" + b"\1" * 64) + segment(frame, size) + scans + b"\xff\xd9"


def _runs(blocks: int) -> list[int]:
    """Runs of blocks without coefficients, each as long as can be written in the longest form."""
    return [min(32_767, max(16_384, blocks - at)) for at in range(0, blocks, 32_767)]


def _bits(text: str) -> bytes:
    """Coded data of a JPEG, filled up with ones, and each full byte followed by a zero."""
    text += "1" * (-len(text) % 8)
    return int(text, 2).to_bytes(len(text) // 8, "big").replace(b"\xff", b"\xff\0")


def main() -> None:
    """Parse, make, look, print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("names", nargs="*", metavar="NAME", help=f"of {', '.join(FILES)}; all by default")
    parser.add_argument("--out", type=Path, help="folder to keep the files in")
    parser.add_argument("--protect", action="store_true", help="protect each, too")
    parser.add_argument("--look", type=Path, help=argparse.SUPPRESS)
    chosen = parser.parse_args()
    if chosen.look is not None:
        print(json.dumps(looked_at(chosen.look, protect=chosen.protect)))
        return
    if unknown := set(chosen.names) - set(FILES):
        parser.error(f"no file {', '.join(sorted(unknown))}; there are {', '.join(FILES)}")
    folder = chosen.out or Path(tempfile.mkdtemp(prefix="poise-worst-"))
    folder.mkdir(parents=True, exist_ok=True)
    print("| file | MB | pixels | check, s | read, s | protect, s | memory, MB |\n|---|---|---|---|---|---|---|")
    for name in chosen.names or FILES:
        path = folder / name
        path.write_bytes(FILES[name]())
        command = [sys.executable, "-m", "benchmarks.worst_files", "--look", str(path)]
        command += ["--protect"] if chosen.protect else []
        row = json.loads(subprocess.run(command, check=True, stdout=subprocess.PIPE).stdout)  # noqa: S603 - itself
        said = [name, f"{row['bytes'] / 1e6:.1f}", row.get("refused") or row["size"]]
        said += [f"{row[key]:.2f}" if key in row else "-" for key in ("check", "read", "protect")]
        print("|", " | ".join([*said, str(row.get("memory", "-"))]), "|", flush=True)
        if chosen.out is None:
            path.unlink()


if __name__ == "__main__":
    main()
