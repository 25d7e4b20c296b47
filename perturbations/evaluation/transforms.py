"""How a protected photo reaches an attacker: at which size, and after what a platform has done to it.

A name has parts joined by ``+``: first the size of the face (``faceN``), then what happens to the file, in order
(``jpegQ``, ``webpQ``, ``resizeP``, ``blurR``), and last ``platform`` or ``recropP``. ``none`` means no change.
``paper`` stands alone: δ is added at 256×256 in floating point, as in the papers.
"""

from __future__ import annotations

import math
import re
import zlib
from collections.abc import Callable
from dataclasses import dataclass
from functools import cached_property
from typing import Final

import numpy as np
from PIL import Image, ImageFilter
from torch import Tensor

from perturbations.apply import perturb
from perturbations.artifact import Perturbation
from perturbations.data.framed import Framed
from perturbations.errors import BadInput
from perturbations.faces import Region, crop_batch
from perturbations.images import RgbArray, compressed, resize
from perturbations.messenger import sent
from perturbations.scaling import scaled, times

Step = Callable[[RgbArray], RgbArray]
"""What happens to a file on its way: a photo ``[H, W, 3]`` to one of the same size."""

SYNTAX: Final = (
    "none, paper, platform, faceN with a side of N pixels, jpegQ or webpQ with a quality Q, resizeP to P percent and "
    "back, blurR with a radius R, recropP with other crops that differ by P percent; joined by + as in face256+jpeg75"
)
PAPER_SIDE: Final = 256
MAX_SIDE: Final = 4096


@dataclass(frozen=True)
class Subject:
    """A face to be protected and attacked."""

    face: Framed
    perturbation: Perturbation

    @cached_property
    def protected(self) -> RgbArray:
        """The protected photo, ``[H, W, 3]``, at the usual strength."""
        return perturb(self.face.image, [self.face.region], self.perturbation, strength="standard")


@dataclass(frozen=True, slots=True)
class Attacked:
    """What an attacker's pipeline cuts out: of the untouched photo, and of the protected one as it was delivered.

    Both map the resolution of a generator to ``[1, 3, size, size]`` in [-1, 1].
    """

    original: Callable[[int], Tensor]
    protected: Callable[[int], Tensor]


@dataclass(frozen=True, slots=True)
class Delivery:
    """A way a photo is delivered. own_original: what the attack is compared with differs from that of ``none``."""

    name: str
    own_original: bool
    attack: Callable[[Subject], Attacked]


def delivery(name: str) -> Delivery:
    """The delivery a name stands for.

    Raises:
        BadInput: the name is unknown.
    """
    if name == "paper":
        return Delivery(name, True, _as_in_papers)
    parts = [] if name == "none" else name.split("+")
    side = None
    if parts and (match := re.fullmatch(r"face(\d{2,4})", parts[0])) is not None:
        side = int(match[1])
        if not 16 <= side <= MAX_SIDE:
            raise BadInput(f"a face must have between 16 and {MAX_SIDE} pixels a side, not {side}")
        parts = parts[1:]
    platform, recrop = parts[-1:] == ["platform"], _recrop(parts)
    own_crop = platform or recrop is not None
    steps = [_step(part) for part in (parts[:-1] if own_crop else parts)]

    def attack(subject: Subject) -> Attacked:
        seen = subject if side is None else Subject(at_side(subject.face, side), subject.perturbation)
        return _delivered(seen, steps, platform=platform, recrop=recrop)

    return Delivery(name, side is not None or own_crop, attack)


def _delivered(subject: Subject, steps: list[Step], *, platform: bool, recrop: float | None) -> Attacked:
    original, protected, region = subject.face.image, subject.protected, subject.face.region
    for step in steps:
        protected = step(protected)
    if platform:
        behind = sent(original, protected)
        original, protected, region = behind.original, behind.protected, behind.crop(region)
    if recrop is not None:
        region = recropped(region, recrop, seed=zlib.crc32(subject.face.image.tobytes()))
    return Attacked(
        lambda size: crop_batch(original, region, size),
        lambda size: crop_batch(protected, region, size),
    )


def _recrop(parts: list[str]) -> float | None:
    """How much the crop differs, if the last part says so, as a fraction."""
    match = re.fullmatch(r"recrop(\d{1,2})", parts[-1]) if parts else None
    return None if match is None else int(match[1]) / 100.0


def recropped(region: Region, deviation: float, *, seed: int) -> Region:
    """The square that another detector might cut out, the same one for the same seed.

    deviation: standard deviation of the logarithm of its side; that of its place is a third of this, in sides.
    """
    size, *moved = np.random.default_rng(seed).standard_normal(3).clip(-2.0, 2.0)
    side = max(1, round(region.width * math.exp(deviation * size)))
    left, top = (
        round(start + (length - side) / 2 + deviation / 3.0 * region.width * move)
        for start, length, move in zip((region.x, region.y), (region.width, region.height), moved, strict=True)
    )
    return Region(left, top, side, side)


def _as_in_papers(subject: Subject) -> Attacked:
    clean = crop_batch(subject.face.image, subject.face.region, PAPER_SIDE)
    perturbed = (clean + subject.perturbation.delta.to(clean)).clamp(-1.0, 1.0)
    return Attacked(lambda size: resize(clean, size), lambda size: resize(perturbed, size))


def at_side(face: Framed, side: int) -> Framed:
    """The photo scaled so that the crop around its face has ``side`` pixels."""
    scale = side / max(face.region.width, face.region.height)
    return Framed(scaled(face.image, scale), times(face.region, scale))


def _step(name: str) -> Step:
    match = re.fullmatch(r"(jpeg|webp|resize|blur)(\d{1,3})", name)
    if match is None or not 1 <= int(match[2]) <= 100:
        raise BadInput(f"unknown transform {name!r}; known: {SYNTAX}")
    kind, amount = match[1], int(match[2])
    if kind in ("jpeg", "webp"):
        return lambda image: compressed(image, kind.upper(), amount)
    if kind == "resize":
        return lambda image: _rescaled(image, amount / 100.0)
    return lambda image: np.asarray(Image.fromarray(image).filter(ImageFilter.GaussianBlur(amount)))


def _rescaled(image: RgbArray, factor: float) -> RgbArray:
    photo = Image.fromarray(image)
    small = (max(1, round(photo.width * factor)), max(1, round(photo.height * factor)))
    return np.asarray(photo.resize(small, Image.Resampling.BILINEAR).resize(photo.size, Image.Resampling.BILINEAR))
