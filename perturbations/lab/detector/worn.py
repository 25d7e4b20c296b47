"""Draws what people wear in front of their faces: masks, sunglasses, hats, and hands or hair across."""

from __future__ import annotations

import cv2
import numpy as np
import numpy.typing as npt

from perturbations.images import RgbArray

FACE_MASK = ((0.1, 0.52), (0.32, 0.47), (0.5, 0.42), (0.68, 0.47), (0.9, 0.52), (0.86, 0.78), (0.68, 0.97), (0.5, 1.02),
             (0.32, 0.97), (0.14, 0.78))  # fmt: skip
"""Outline of a mask, in the face's unit square."""
HAT = ((-0.05, 0.16), (0.05, -0.15), (0.3, -0.3), (0.7, -0.3), (0.95, -0.15), (1.05, 0.16), (0.5, 0.2))
GLASSES = ((0.3, 0.34), (0.7, 0.34))
"""Centres of two glasses."""


def wear(canvas: RgbArray, to_scene: npt.NDArray[np.float64], generator: np.random.Generator) -> None:
    """Draw nothing, in most cases, or one or two such things onto the face that ``to_scene`` places."""
    if generator.random() < 0.24:
        _fill(canvas, to_scene, _moved(FACE_MASK, generator), _colour(generator, generator.random() < 0.6))
    if generator.random() < 0.12:
        _glasses(canvas, to_scene, generator)
    if generator.random() < 0.1:
        _fill(canvas, to_scene, _moved(HAT, generator), _colour(generator, generator.random() < 0.2))
    if generator.random() < 0.08:
        _across(canvas, to_scene, generator)


def _glasses(canvas: RgbArray, to_scene: npt.NDArray[np.float64], generator: np.random.Generator) -> None:
    colour = tuple(int(v) for v in generator.integers(0, 70, 3))
    ring = np.linspace(0, 2 * np.pi, 16, endpoint=False)
    across, down, lower = generator.uniform(0.12, 0.19), generator.uniform(0.08, 0.13), generator.uniform(-0.02, 0.04)
    for x, y in GLASSES:
        outline = [(x + across * np.cos(a), y + lower + down * np.sin(a)) for a in ring]
        _fill(canvas, to_scene, outline, colour)
    _fill(canvas, to_scene, [(0.3, 0.31), (0.7, 0.31), (0.7, 0.35), (0.3, 0.35)], colour)


def _across(canvas: RgbArray, to_scene: npt.NDArray[np.float64], generator: np.random.Generator) -> None:
    """A bar over part of the face: a hand, an arm, a strand of hair, a microphone."""
    x, y = generator.uniform(0, 1, 2)
    turned = generator.uniform(0, np.pi)
    along = np.array([np.cos(turned), np.sin(turned)])
    over = np.array([-along[1], along[0]]) * generator.uniform(0.05, 0.14)
    ends = (np.array([x, y]) - along * 0.9, np.array([x, y]) + along * generator.uniform(0, 0.9))
    outline = [tuple(p) for p in (ends[0] - over, ends[1] - over, ends[1] + over, ends[0] + over)]
    _fill(canvas, to_scene, outline, _colour(generator, False))


def _moved(outline: object, generator: np.random.Generator) -> list[tuple[float, float]]:
    points = np.array(outline) + generator.normal(0, 0.02, (len(np.array(outline)), 2)) + generator.normal(0, 0.03, 2)
    return [(float(x), float(y)) for x, y in points]


def _colour(generator: np.random.Generator, pale: bool) -> tuple[int, ...]:
    """Any colour, or the white and light blue of most masks."""
    if not pale:
        return tuple(int(v) for v in generator.integers(0, 256, 3))
    light = generator.integers(170, 256)
    return (int(light * generator.uniform(0.7, 1)), int(light * generator.uniform(0.9, 1)), int(light))


def _fill(
    canvas: RgbArray,
    to_scene: npt.NDArray[np.float64],
    outline: list[tuple[float, float]] | list[tuple[float, ...]],
    colour: tuple[int, ...],
) -> None:
    points = np.column_stack([np.array(outline), np.ones(len(outline))])
    placed = np.round((to_scene @ points.T).T * 16).astype(np.int32)
    cv2.fillPoly(canvas, [placed], colour, lineType=cv2.LINE_AA, shift=4)
