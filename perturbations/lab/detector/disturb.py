"""Light, lenses and files: what happens to a scene before a detector sees it; and pictures of nothing."""

from __future__ import annotations

import cv2
import numpy as np

from perturbations.images import RgbArray


def disturb(picture: RgbArray, generator: np.random.Generator) -> RgbArray:
    """Light, colour, blur, noise and compression, each of them sometimes."""
    picture = cv2.LUT(np.ascontiguousarray(picture), _light(generator)[None]).astype(np.uint8)
    if generator.random() < 0.12:
        _light_from_behind(picture, generator)
    if generator.random() < 0.15:
        picture = cv2.cvtColor(cv2.cvtColor(picture, cv2.COLOR_RGB2GRAY), cv2.COLOR_GRAY2RGB).astype(np.uint8)
    if generator.random() < 0.3:
        picture = cv2.GaussianBlur(picture, (0, 0), generator.uniform(0.3, 1.3)).astype(np.uint8)
    if generator.random() < 0.35:
        grain = generator.normal(0, generator.uniform(1, 9), picture.shape).astype(np.float32)
        picture = (picture + grain).clip(0, 255).astype(np.uint8)
    if generator.random() < 0.3:
        _, file = cv2.imencode(".jpg", picture, [cv2.IMWRITE_JPEG_QUALITY, int(generator.integers(25, 92))])
        picture = np.asarray(cv2.imdecode(file, cv2.IMREAD_COLOR), dtype=np.uint8)
    return picture


def _light(generator: np.random.Generator) -> RgbArray:
    """A table ``[256, 3]`` of gamma, contrast, brightness and tint; sometimes dark."""
    steps = np.linspace(0, 1, 256)[:, None]
    gamma, gain = np.exp(generator.normal(0, 0.25)), np.exp(generator.normal(0, 0.2))
    if generator.random() < 0.08:
        gain *= generator.uniform(0.25, 0.6)
    tint = np.exp(generator.normal(0, 0.08, 3))
    table = (steps**gamma - 0.5) * gain * tint + 0.5 * min(1.0, gain) * tint + generator.normal(0, 0.05)
    steps_of_255: RgbArray = (255 * table).clip(0, 255).round().astype(np.uint8)
    return steps_of_255


def _light_from_behind(picture: RgbArray, generator: np.random.Generator) -> None:
    """Half of the picture in shadow, with a soft edge."""
    side = picture.shape[0]
    turned = generator.uniform(0, 2 * np.pi)
    rows, columns = np.mgrid[:side, :side] / side - 0.5
    slope = (columns * np.cos(turned) + rows * np.sin(turned)) * generator.uniform(2, 12)
    shadow = generator.uniform(0.3, 0.7) + (1 - 0.25) / (1 + np.exp(-slope))
    picture[:] = (picture * shadow[..., None]).clip(0, 255).astype(np.uint8)


def drawn(side: int, generator: np.random.Generator) -> RgbArray:
    """Plain colour, blurred noise, or circles and bars, which frighten detectors."""
    canvas = np.empty((side, side, 3), np.uint8)
    canvas[:] = generator.integers(0, 256, 3, dtype=np.uint8)
    kind = generator.random()
    if kind < 0.35:
        rough = generator.integers(0, 256, (int(generator.integers(3, 24)),) * 2 + (3,), dtype=np.uint8)
        return cv2.resize(rough, (side, side), interpolation=cv2.INTER_CUBIC).astype(np.uint8)
    if kind < 0.9:
        for _ in range(int(generator.integers(3, 16))):
            colour = tuple(int(v) for v in generator.integers(0, 256, 3))
            x, y = (int(v) for v in generator.integers(0, side, 2))
            if generator.random() < 0.5:
                cv2.circle(canvas, (x, y), int(generator.integers(1, 18)), colour, int(generator.choice([-1, 1, 2])))
            else:
                far = tuple(int(v) for v in generator.integers(0, side, 2))
                cv2.line(canvas, (x, y), far, colour, int(generator.integers(1, 6)))
    return canvas
