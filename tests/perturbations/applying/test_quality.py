"""PSNR, SSIM and the largest difference agree with scikit-image."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from perturbations import quality
from perturbations.colour_difference import ciede2000, colour_differences
from perturbations.faces import Region
from perturbations.images import RgbArray
from perturbations.quality import MAX_PSNR, SAMPLED, Quality, max_abs_diff, measure, middle, psnr, ssim, worst


# scikit-image's parts are imported where they are used: with all of SciPy they take a second in every process
def reference_psnr(a: RgbArray, b: RgbArray) -> float:
    from skimage.metrics import peak_signal_noise_ratio

    return float(peak_signal_noise_ratio(a, b, data_range=255))  # type: ignore[no-untyped-call]


def reference_ssim(a: RgbArray, b: RgbArray) -> float:
    from skimage.metrics import structural_similarity

    return float(
        structural_similarity(  # type: ignore[no-untyped-call]
            a, b, gaussian_weights=True, sigma=1.5, use_sample_covariance=False, channel_axis=2, data_range=255
        )
    )


@settings(max_examples=25, deadline=None)
@given(
    height=st.integers(11, 90),
    width=st.integers(11, 90),
    amplitude=st.sampled_from([0, 1, 6, 60, 255]),
    flat=st.booleans(),
    seed=st.integers(0, 99),
)
def test_agrees_with_scikit_image(height: int, width: int, amplitude: int, flat: bool, seed: int) -> None:
    draw = np.random.default_rng(seed)
    shape = (height, width, 3)
    a = np.full(shape, draw.integers(256), np.uint8) if flat else draw.integers(0, 256, shape, dtype=np.uint8)
    b = (a + draw.integers(-amplitude, amplitude + 1, shape)).clip(0, 255).astype(np.uint8)
    assert ssim(a, b) == pytest.approx(reference_ssim(a, b), abs=1e-4)
    assert max_abs_diff(a, b) == int(np.abs(a.astype(int) - b).max())
    if not np.array_equal(a, b):
        assert psnr(a, b) == pytest.approx(reference_psnr(a, b), abs=1e-4)


def test_agrees_on_a_photo_taller_than_a_strip(pixels: RgbArray, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(quality, "_STRIP", 512 * 100)
    noise = np.random.default_rng(0).choice([-6, 6], pixels.shape)
    noisy = (pixels + noise).clip(0, 255).astype(np.uint8)
    assert ssim(pixels, noisy) == pytest.approx(reference_ssim(pixels, noisy), abs=1e-4)
    assert psnr(pixels, noisy) == pytest.approx(reference_psnr(pixels, noisy), abs=1e-4)


def test_of_a_large_region_the_middle_is_measured() -> None:
    assert middle(Region(5, 6, 90, 70)) == Region(5, 6, 90, 70)
    large = Region(10, 20, 2000, 1000)
    part = middle(large)
    assert part.width * part.height == pytest.approx(SAMPLED, rel=0.01)
    assert part.width == pytest.approx(2 * part.height, abs=2)
    assert part.x - large.x == pytest.approx(large.x + large.width - part.x - part.width, abs=1)


@pytest.mark.parametrize("shape", [(1, 1, 3), (1, 300, 3), (10, 10, 3), (300, 4, 3)])
def test_pictures_smaller_than_the_window(shape: tuple[int, int, int]) -> None:
    a = np.random.default_rng(1).integers(0, 250, shape, dtype=np.uint8)
    same = measure(a, a)
    assert (same.psnr, same.max_abs_diff) == (MAX_PSNR, 0)
    assert same.ssim == pytest.approx(1.0, abs=1e-6)
    different = measure(a, a + 5)
    assert different.max_abs_diff == 5
    assert 0.0 < different.ssim < 1.0


def test_worst_takes_each_figure_apart() -> None:
    assert worst([Quality(40.0, 0.9, 6), Quality(35.0, 0.95, 4)]) == Quality(35.0, 0.9, 6)


def test_refuses_pictures_of_different_size(pixels: RgbArray) -> None:
    with pytest.raises(ValueError, match="one size"):
        measure(pixels, pixels[1:])


def test_colour_differences_agree_with_scikit_image() -> None:
    first, second = np.random.default_rng(0).integers(0, 256, (2, 64, 64, 3), dtype=np.uint8)
    second[:9], second[9:12] = first[:9], 128
    first[12:14] = second[12:14] // 32 * 32
    from skimage.color import deltaE_ciede2000, rgb2lab

    labs = [rgb2lab(rgb) for rgb in (first, second)]
    expected = deltaE_ciede2000(*labs)  # type: ignore[no-untyped-call]
    assert np.abs(ciede2000(*labs) - expected).max() < 1e-3
    # OpenCV's white is a little different
    assert colour_differences(first, second) == pytest.approx(expected[::2, ::2], rel=0.02, abs=0.15)
