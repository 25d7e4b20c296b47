"""CIEDE2000: how different two colours look (ISO/CIE 11664-6). About 1 is the least that is noticed side by side."""

from __future__ import annotations

import math
from typing import Any, Final

import cv2
import numpy as np
import numpy.typing as npt

from perturbations.images import RgbArray

COMPARED: Final = 32
"""Pixels of each side that are compared: every n-th."""
Colours = npt.NDArray[np.floating[Any]]

_25_7: Final = 25.0**7


def colour_differences(a: RgbArray, b: RgbArray) -> Colours:
    """Of pixels spread evenly over two pictures ``[H, W, 3]`` of one size."""
    rows, columns = (np.arange(0, side, -(-side // COMPARED)) for side in a.shape[:2])
    return ciede2000(_lab(a[rows[:, None], columns]), _lab(b[rows[:, None], columns]))


def ciede2000(first: Colours, second: Colours) -> Colours:
    """Of colours in CIELAB, ``[..., 3]`` twice to ``[...]`` (Sharma, Wu and Dalal, 2005; equations 2 to 22)."""
    light, light2 = first[..., 0], second[..., 0]
    chroma, chroma2 = (np.hypot(lab[..., 1], lab[..., 2]) for lab in (first, second))
    seventh = ((chroma + chroma2) / 2.0) ** 7
    stretch = 1.5 - 0.5 * np.sqrt(seventh / (seventh + _25_7))
    (chroma, hue), (chroma2, hue2) = (_polar(lab[..., 1] * stretch, lab[..., 2]) for lab in (first, second))
    turn = (hue2 - hue + math.pi) % (2.0 * math.pi) - math.pi
    turn = np.where(chroma * chroma2 == 0.0, 0.0, turn)
    mean_light, mean_chroma = (light + light2) / 2.0, (chroma + chroma2) / 2.0
    mean_hue = np.where(chroma * chroma2 == 0.0, hue + hue2, hue + turn / 2.0)
    weight = (
        1.0
        - 0.17 * np.cos(mean_hue - math.radians(30.0))
        + 0.24 * np.cos(2.0 * mean_hue)
        + 0.32 * np.cos(3.0 * mean_hue + math.radians(6.0))
        - 0.20 * np.cos(4.0 * mean_hue - math.radians(63.0))
    )
    off = (mean_light - 50.0) ** 2
    of_light = (light2 - light) / (1.0 + 0.015 * off / np.sqrt(20.0 + off))
    of_chroma = (chroma2 - chroma) / (1.0 + 0.045 * mean_chroma)
    of_hue = 2.0 * np.sqrt(chroma * chroma2) * np.sin(turn / 2.0) / (1.0 + 0.015 * mean_chroma * weight)
    high = mean_chroma**7
    near_blue = np.exp(-(((np.degrees(mean_hue) % 360.0 - 275.0) / 25.0) ** 2))
    rotation = -2.0 * np.sqrt(high / (high + _25_7)) * np.sin(math.radians(60.0) * near_blue)
    squares = of_light**2 + of_chroma**2 + of_hue**2 + rotation * of_chroma * of_hue
    differences: Colours = np.sqrt(squares.clip(min=0.0))
    return differences


def _polar(a: Colours, b: Colours) -> tuple[Colours, Colours]:
    """Chroma and hue, in radians."""
    return np.hypot(a, b), np.arctan2(b, a)


def _lab(pixels: RgbArray) -> Colours:
    return cv2.cvtColor(pixels.astype(np.float32) / 255.0, cv2.COLOR_RGB2LAB).astype(np.float32, copy=False)
