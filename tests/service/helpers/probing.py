"""``python -m tests.service.helpers.probing``: what a confined process can and cannot do; its task says which."""

from __future__ import annotations

import os
import time

from worker.generators import confined


def main() -> None:
    """Do it."""
    task = confined.task()
    confined.confine(megabytes=200, file_bytes=1_000_000)
    if task["do"] == "environment":
        confined.answer(task["answer"], {"names": sorted(os.environ)})
    elif task["do"] == "spin":
        while True:
            pass
    elif task["do"] == "sleep":
        time.sleep(600)
    elif task["do"] == "grow":
        try:
            held = [bytearray(50_000_000) for _ in range(100)]
        except MemoryError:
            confined.answer(task["answer"], {"megabytes": confined.peak_megabytes()})
        else:
            confined.answer(task["answer"], {"megabytes": sum(map(len, held))})
    elif task["do"] == "write":
        confined.answer(task["answer"], {"long": "x" * 2_000_000})
    elif task["do"] == "chatter":
        confined.answer(task["answer"], {"long": "x" * 500_000})
    else:
        os.abort()


if __name__ == "__main__":
    main()
