"""The network of the detector that ships, run by OpenCV."""

from __future__ import annotations

import threading
from functools import cache
from pathlib import Path
from typing import Final

import cv2
import numpy as np
import numpy.typing as npt

from perturbations.images import RgbArray

FOLDER: Final = Path(__file__).parents[1] / "assets" / "detector"
Answer = npt.NDArray[np.float32]


class _Local(threading.local):
    """A network is not safe to share, so every thread has its own; it is made when first used."""

    def __init__(self) -> None:
        self.networks: dict[str, cv2.dnn.Net] = {}


_local = _Local()


@cache
def _file(name: str) -> npt.NDArray[np.uint8]:
    return np.frombuffer((FOLDER / f"{name}.onnx").read_bytes(), np.uint8)


def answer(name: str, picture: RgbArray) -> Answer:
    """What the network of that name makes of ``[H, W, 3]``, without the dimension of the batch."""
    if name not in _local.networks:
        _local.networks[name] = cv2.dnn.readNetFromONNX(_file(name))
    network = _local.networks[name]
    network.setInput(cv2.dnn.blobFromImage(picture, 1 / 127.5, mean=(127.5, 127.5, 127.5)))
    made: Answer = network.forward()[0]
    return made
