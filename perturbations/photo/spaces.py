"""Colour spaces that a file names by words or numbers, as ICC profiles.

Code points are those of ITU-T H.273. Unknown or unspecified ones count as sRGB. So do the curves of video (BT.709 and
its relatives), because everybody shows those pictures as sRGB.
"""

from __future__ import annotations

from functools import cache
from typing import Final

import numpy as np
import numpy.typing as npt

from perturbations.photo.exif import is_adobe_rgb
from perturbations.photo.profiles import Chromaticities, gamma_curve, matrix_profile, srgb_curve, table_curve

SRGB: Final = 1
_UNSPECIFIED: Final = 2
_D65: Final = (0.3127, 0.3290)
_C: Final = (0.310, 0.316)
_PRIMARIES: Final[dict[int, Chromaticities]] = {
    SRGB: ((0.640, 0.330), (0.300, 0.600), (0.150, 0.060), _D65),
    4: ((0.67, 0.33), (0.21, 0.71), (0.14, 0.08), _C),
    5: ((0.64, 0.33), (0.29, 0.60), (0.15, 0.06), _D65),
    6: ((0.630, 0.340), (0.310, 0.595), (0.155, 0.070), _D65),
    7: ((0.630, 0.340), (0.310, 0.595), (0.155, 0.070), _D65),
    8: ((0.681, 0.319), (0.243, 0.692), (0.145, 0.049), _C),
    9: ((0.708, 0.292), (0.170, 0.797), (0.131, 0.046), _D65),
    10: ((1.0, 0.0), (0.0, 1.0), (0.0, 0.0), (1 / 3, 1 / 3)),
    11: ((0.680, 0.320), (0.265, 0.690), (0.150, 0.060), (0.314, 0.351)),
    12: ((0.680, 0.320), (0.265, 0.690), (0.150, 0.060), _D65),
    22: ((0.630, 0.340), (0.295, 0.605), (0.155, 0.077), _D65),
}
_GAMMAS: Final = {4: 2.2, 5: 2.8, 8: 1.0, 17: 2.6}
_PQ, _HLG = 16, 18
_ADOBE_RGB: Final[Chromaticities] = ((0.64, 0.33), (0.21, 0.71), (0.15, 0.06), _D65)
_ADOBE_GAMMA: Final = 563 / 256
_PAPER_WHITE: Final = 203.0
"""Candelas per square metre of white in a picture of high dynamic range (ITU-R BT.2408)."""
_KNEE: Final = 0.6
"""Of paper white: what is darker is shown as it is, what is brighter is pressed together below white."""
_UNIT: Final = 100_000
_USUAL_GAMMA: Final = 2.2
_ALIKE: Final = 0.05, 0.01
"""How far a gamma (as a share) and a chromaticity may lie from sRGB's to pass for it."""


@cache
def profile_of_cicp(primaries: int, transfer: int) -> bytes | None:
    """The profile of H.273's code points, ``None`` for sRGB."""
    chromaticities = _PRIMARIES.get(primaries, _PRIMARIES[SRGB])
    if transfer in _GAMMAS:
        curve = gamma_curve(_GAMMAS[transfer])
    elif transfer == _PQ:
        curve = table_curve(_shown(_pq(np.linspace(0, 1, 1024))))
    elif transfer == _HLG:
        curve = table_curve(_shown(_hlg(np.linspace(0, 1, 1024))))
    elif chromaticities == _PRIMARIES[SRGB]:
        return None
    else:
        curve = srgb_curve()
    return matrix_profile(chromaticities, curve)


def is_hdr(transfer: int) -> bool:
    """Whether a curve of H.273 is one of high dynamic range."""
    return transfer in (_PQ, _HLG)


def hdr_told(primaries: int, transfer: int, whole: int = 1) -> tuple[bytes, bytes]:
    """The chunk of a PNG that tells of high dynamic range. whole: 1 if all values are used, 0 as in video."""
    return b"cICP", bytes((primaries if primaries in _PRIMARIES else _UNSPECIFIED, transfer, 0, whole))


def profile_of_exif(exif: bytes | None) -> bytes | None:
    """A profile of the colours that a camera tells in EXIF alone: of Adobe RGB (1998)."""
    return matrix_profile(_ADOBE_RGB, gamma_curve(_ADOBE_GAMMA)) if is_adobe_rgb(exif) else None


def profile_of_gamma(gamma: int, stored: tuple[int, ...] | None) -> bytes | None:
    """The profile of PNG's gAMA and cHRM, in hundred thousandths; ``None`` for sRGB, or if it is invalid."""
    chromaticities = _PRIMARIES[SRGB]
    if stored is not None:
        x = [value / _UNIT for value in stored]
        named = ((x[2], x[3]), (x[4], x[5]), (x[6], x[7]), (x[0], x[1]))
        if not np.allclose(named, chromaticities, rtol=0, atol=_ALIKE[1]):
            chromaticities = named
    exponent = _UNIT / gamma if gamma else 0.0
    if not 0.1 <= exponent <= 10:
        return None
    usual = abs(exponent / _USUAL_GAMMA - 1) < _ALIKE[0]
    if usual and chromaticities == _PRIMARIES[SRGB]:
        return None
    try:
        return matrix_profile(chromaticities, srgb_curve() if usual else gamma_curve(exponent))
    except (ZeroDivisionError, ValueError, np.linalg.LinAlgError):
        return None


def _pq(signal: npt.NDArray[np.float64]) -> npt.NDArray[np.float64]:
    """Perceptual quantizer (SMPTE ST 2084) to candelas per square metre."""
    m1, m2, c1, c2, c3 = 2610 / 16384, 2523 / 32, 3424 / 4096, 2413 / 128, 2392 / 128
    root = signal ** (1 / m2)
    return 10_000 * (np.maximum(root - c1, 0) / (c2 - c3 * root)) ** (1 / m1)


def _hlg(signal: npt.NDArray[np.float64]) -> npt.NDArray[np.float64]:
    """Hybrid log-gamma (ITU-R BT.2100) to candelas per square metre, on a screen of 1000."""
    a, b, c = 0.17883277, 0.28466892, 0.55991073
    scene = np.where(signal <= 0.5, signal**2 / 3, (np.exp((signal - c) / a) + b) / 12)
    return 1000 * scene**1.2


def _shown(light: npt.NDArray[np.float64]) -> npt.NDArray[np.float64]:
    """Candelas per square metre to what a usual screen shows, 0 to 1."""
    relative = light / _PAPER_WHITE
    room = 1 - _KNEE
    return np.where(relative <= _KNEE, relative, _KNEE + room * (1 - np.exp(-(relative - _KNEE) / room)))
