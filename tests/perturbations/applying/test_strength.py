"""Strengths: what is added of a perturbation, and how much of it."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from perturbations.apply import perturb
from perturbations.artifact import SHAPE, Perturbation, active
from perturbations.errors import UnknownName
from perturbations.faces import Region
from perturbations.images import RgbArray
from perturbations.pattern import added
from perturbations.quality import measure
from perturbations.strength import STRENGTHS, WHOLE, Band, Strength, band_of, strength_of


def waves(cycles: int) -> torch.Tensor:
    """So many cycles across the crop, at the bound."""
    at = (torch.arange(SHAPE[3]) + 0.5) / SHAPE[3]
    return (0.05 * torch.sin(2.0 * torch.pi * cycles * at)).expand(SHAPE).contiguous()


def test_the_stronger_the_more_is_added_and_seen(pixels: RgbArray) -> None:
    shipped, face = active(), Region(140, 20, 180, 180)
    copies = [perturb(pixels, [face], shipped, strength=strength) for strength in STRENGTHS]
    part = np.s_[face.y : face.y + face.height, face.x : face.x + face.width]
    seen = [measure(np.ascontiguousarray(pixels[part]), np.ascontiguousarray(copy[part])) for copy in copies]
    assert [q.max_abs_diff <= 6 for q in seen] == [True] * 3
    for figure in ("ssim", "psnr"):
        values = [getattr(q, figure) for q in seen]
        assert values == sorted(values, reverse=True)
    assert seen[0].delta_e < seen[1].delta_e < seen[2].delta_e
    assert len({q.ssim for q in seen}) == 3


def test_only_the_band_is_added() -> None:
    band = Band(30.0, 52.0, 1.4)
    for cycles, kept in ((20, 0.0), (40, 1.0), (64, 0.0)):
        delta = waves(cycles)
        result = band.of(delta, 0.05, large=False)
        assert float(result.abs().max()) <= np.float32(0.05)
        expected = delta.mul(1.4).clamp(-0.05, 0.05) if kept else torch.zeros(SHAPE)
        torch.testing.assert_close(result, expected, atol=2e-3, rtol=0.0)


def test_a_face_too_small_for_fine_detail_gets_as_much_of_the_rest() -> None:
    plain = np.full((48, 48, 3), 120, np.uint8)
    fine = Perturbation("fine", 0.9 * waves(40) + 0.3 * waves(6), 0.05, {})
    for version in (active(), fine):
        for strength in STRENGTHS:
            changed = perturb(plain, [Region(0, 0, 48, 48)], version, strength=strength) != plain
            assert changed.any(axis=2).mean() > 0.5


@pytest.mark.parametrize("strength", STRENGTHS)
def test_a_version_can_name_its_own_band(strength: Strength) -> None:
    assert band_of(strength, {}) == WHOLE[strength]
    own = {"strengths": {strength: {"low": -9, "high": 24, "gain": 1}}}
    delta = waves(8)
    torch.testing.assert_close(
        added(Perturbation("own", delta, 0.05, own), strength, grey=False), delta, atol=2e-3, rtol=0.0
    )


def test_a_grey_photo_takes_more_where_the_version_says_so() -> None:
    delta = waves(40) * 0.2
    # those of aef-scaled-1df4e9a9, which shipped once
    own = {"strengths": {"standard": {"low": 30.0, "high": 52.0, "gain": 1.4, "large": 1.28, "grey": 2.0}}}
    version = Perturbation("own", delta, 0.05, own)
    coloured, grey = (float(added(version, "standard", grey=grey).abs().max()) for grey in (False, True))
    assert grey == pytest.approx(2 * coloured, rel=0.02)
    assert grey < 0.05
    on_large = [added(version, "standard", grey=grey, large=True) for grey in (False, True)]
    assert float(on_large[1].abs().max()) == pytest.approx(float(on_large[0].abs().max()), rel=0.02)


@pytest.mark.parametrize("cycles", [0, 1, 8, 40, 100])
def test_of_a_version_that_names_no_band_all_is_added(cycles: int) -> None:
    """Whatever generators it was trained against, nothing that disturbs them is lost."""
    delta = waves(cycles) if cycles else torch.full(SHAPE, 0.05)
    version = Perturbation("all", delta, 0.05, {})
    assert added(version, None, grey=False) is delta
    for large in (False, True):
        torch.testing.assert_close(added(version, "standard", grey=False, large=large), delta, atol=1e-6, rtol=0.0)


def test_unknown_strengths_are_refused() -> None:
    assert strength_of("subtle") == "subtle"
    with pytest.raises(UnknownName, match="standard"):
        strength_of("violent")
