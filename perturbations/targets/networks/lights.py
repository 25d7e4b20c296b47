"""Lights as nine spherical-harmonics coefficients, computed from where a lamp stands.

A light is what a point would see that looks around itself: a round lamp, a cap on the sphere of directions, and the
same faint light from everywhere else. Its real spherical harmonics up to degree two say all a dull surface shows of it
(Ramamoorthi and Hanrahan, SIGGRAPH 2001). The axes are those of the portrait relighter (Zhou et al., ICCV 2019): x to
the right of the picture, y into it, z up, and the coefficients are in the usual order of degree and order.
"""

from __future__ import annotations

import math
from typing import Final

COEFFICIENTS: Final = 9
Direction = tuple[float, float, float]
"""x to the right, y into the picture, z up; of length 1."""

HALF_ANGLE: Final = 60.0
"""Of the lamp, in degrees: soft, as a window is."""
LAMP_SHARE: Final = 0.6
"""Of all light, the lamp's part."""
TOTAL: Final = 1.1
"""The first coefficient of every light: all light together."""


def lamp(azimuth: float, elevation: float) -> tuple[float, ...]:
    """The nine coefficients of a soft lamp.

    Args:
        azimuth: degrees to the right of the camera; 0 is where the camera stands.
        elevation: degrees above the camera.
    """
    side, up = math.radians(azimuth), math.radians(elevation)
    towards = (math.cos(up) * math.sin(side), -math.cos(up) * math.cos(side), math.sin(up))
    scale = LAMP_SHARE * TOTAL / (_zonal(0) * _harmonics(towards)[0])
    values = [scale * _zonal(degree) * value for degree, value in zip(_DEGREES, _harmonics(towards), strict=True)]
    return tuple(round(value, 6) for value in (TOTAL, *values[1:]))


_DEGREES: Final = (0, 1, 1, 1, 2, 2, 2, 2, 2)


def _zonal(degree: int) -> float:
    """What multiplies a harmonic of ``degree`` at the lamp's centre: the mean of Legendre's polynomial over the cap.

    Up to a factor that all degrees share: ``∫ P_l(t) dt`` from the cosine of the half angle to 1.
    """
    edge = math.cos(math.radians(HALF_ANGLE))
    return (1 - edge, (1 - edge**2) / 2, (edge - edge**3) / 2)[degree]


def _harmonics(direction: Direction) -> tuple[float, ...]:
    """The nine real spherical harmonics at a direction."""
    x, y, z = direction
    first, second = math.sqrt(3 / (4 * math.pi)), math.sqrt(15 / (4 * math.pi))
    return (
        math.sqrt(1 / (4 * math.pi)),
        first * y,
        first * z,
        first * x,
        second * x * y,
        second * y * z,
        math.sqrt(5 / (16 * math.pi)) * (3 * z * z - 1),
        second * x * z,
        second / 2 * (x * x - y * y),
    )


NAMED: Final = {
    "from_right": lamp(60.0, 0.0),
    "from_left": lamp(-60.0, 0.0),
    "from_above": lamp(0.0, 60.0),
    "from_below": lamp(0.0, -60.0),
}
"""Lights that differ from those of most photos, one from every side of the picture."""
