"""The network of the detector that ships, run by ONNX Runtime, in less than half of OpenCV's time."""

from __future__ import annotations

from functools import cache
from pathlib import Path
from typing import Final

import numpy as np
import numpy.typing as npt
import onnxruntime

from perturbations.images import RgbArray

FOLDER: Final = Path(__file__).parents[1] / "assets" / "detector"
Answer = npt.NDArray[np.float32]


def answer(name: str, picture: RgbArray) -> Answer:
    """What the network of that name makes of ``[H, W, 3]``, without the dimension of the batch.

    Threads may share a network.
    """
    planes = np.empty((1, 3, *picture.shape[:2]), np.float32)
    np.multiply(picture.transpose(2, 0, 1), np.float32(1 / 127.5), out=planes[0])
    planes -= 1.0
    made: list[Answer] = _session(name).run(None, {"picture": planes})
    return np.asarray(made[0][0])


@cache
def _session(name: str) -> onnxruntime.InferenceSession:
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = options.inter_op_num_threads = 1
    options.enable_mem_pattern = False  # pictures have many sizes: a plan of memory for each would take twice as much
    options.log_severity_level = 3
    return onnxruntime.InferenceSession(FOLDER / f"{name}.onnx", options, providers=["CPUExecutionProvider"])
