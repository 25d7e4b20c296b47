"""Colours: as the photo was shown, so is the copy; and nothing private travels in a profile."""

from __future__ import annotations

import io
import struct
import zlib
from collections.abc import Callable

import numpy as np
import numpy.typing as npt
import pytest
from PIL import Image, ImageCms

from perturbations.images import RgbArray
from perturbations.photo import Photo, decode, encode
from perturbations.photo.profiles import stripped
from perturbations.photo.spaces import profile_of_cicp, profile_of_gamma
from tests.perturbations.applying.files import P3, PRIVATE, opened, png_of, profile, saved, shown, with_chunk

SRGB, DISPLAY_P3, LINEAR, PQ, HLG = (1, 13), (12, 13), (1, 8), (9, 16), (9, 18)
FORMATS = ["png", "jpeg", "webp", "avif"]


def to_srgb(light: npt.NDArray[np.float64]) -> npt.NDArray[np.float64]:
    return 255 * np.where(light <= 0.0031308, 12.92 * light, 1.055 * np.maximum(light, 1e-9) ** (1 / 2.4) - 0.055)


def from_srgb(value: npt.NDArray[np.float64]) -> npt.NDArray[np.float64]:
    return np.where(value <= 0.04045 * 255, value / 255 / 12.92, ((value / 255 + 0.055) / 1.055) ** 2.4)


def p3_shown(value: npt.NDArray[np.float64]) -> npt.NDArray[np.float64]:
    """Display P3 in sRGB, by its matrix."""
    matrix = np.array([[1.22494, -0.04206, -0.01964], [-0.22494, 1.04206, -0.07864], [0, 0, 1.09827]])
    return to_srgb((from_srgb(value) @ matrix).clip(0, 1))


def told_avif(pixels: RgbArray, told: tuple[int, int]) -> bytes:
    data = bytearray(saved(Image.fromarray(pixels), "AVIF", quality=95, subsampling="4:4:4"))
    at = data.index(b"colrnclx") + 8
    struct.pack_into(">HH", data, at, *told)
    return bytes(data)


def told_png(pixels: RgbArray, told: tuple[int, int]) -> bytes:
    return with_chunk(saved(Image.fromarray(pixels), "PNG"), b"cICP", bytes([*told, 0, 1]))


def of_gamma(pixels: RgbArray, gamma: float) -> bytes:
    return with_chunk(saved(Image.fromarray(pixels), "PNG"), b"gAMA", struct.pack(">I", round(gamma * 100_000)))


def copy_shown(photo: Photo, format_: str) -> npt.NDArray[np.float64]:
    image = opened(encode(photo, format_))
    return shown(image, image.info.get("icc_profile"))


@pytest.mark.parametrize("format_", [f for f in FORMATS if f != "avif"])
@pytest.mark.parametrize("make", [told_avif, told_png])
def test_display_p3_told_by_numbers_is_kept(
    pixels: RgbArray, make: Callable[[RgbArray, tuple[int, int]], bytes], format_: str
) -> None:
    part = pixels[:128, :128]
    data = make(part, DISPLAY_P3)
    stored = np.asarray(opened(data).convert("RGB")).astype(np.float64)
    got, right = copy_shown(decode(data), format_), p3_shown(stored)
    way = ((got - stored) * (right - stored)).sum() / ((right - stored) ** 2).sum()
    assert abs(way - 1) <= (0.2 if format_ == "jpeg" else 0.05), "from the stored values to those that are shown"


def test_display_p3_stays_an_avif(pixels: RgbArray) -> None:
    data = told_avif(pixels[:128, :128], DISPLAY_P3)
    right = p3_shown(np.asarray(opened(data)).astype(np.float64))
    assert np.abs(copy_shown(decode(data), "keep") - right).mean() < 1


@pytest.mark.parametrize("format_", [f for f in FORMATS if f != "avif"])
@pytest.mark.parametrize("gamma", [1.0, 0.55])
def test_a_gamma_is_kept(pixels: RgbArray, gamma: float, format_: str) -> None:
    part = pixels[:128, :128]
    right = to_srgb((part / 255.0) ** (1 / gamma))
    assert np.abs(copy_shown(decode(of_gamma(part, gamma)), format_) - right).mean() < 2


def test_chromaticities_are_kept(pixels: RgbArray) -> None:
    """P3's, in hundred thousandths."""
    told = struct.pack(">8I", 31270, 32900, 68000, 32000, 26500, 69000, 15000, 6000)
    part = pixels[:128, :128]
    photo = decode(with_chunk(of_gamma(part, 0.45455), b"cHRM", told))
    assert np.abs(copy_shown(photo, "png") - p3_shown(part.astype(np.float64))).mean() < 0.5


@pytest.mark.parametrize("told", [SRGB, (2, 2), (1, 1), (1, 6), (250, 251)])
def test_srgb_and_what_is_shown_as_it_need_no_profile(pixels: RgbArray, told: tuple[int, int]) -> None:
    assert decode(told_png(pixels[:8, :8], told)).icc is None
    assert decode(told_avif(pixels[:8, :8], told)).icc is None


@pytest.mark.parametrize("chunks", [{b"gAMA": 45455}, {b"gAMA": 45000}, {b"sRGB": 0, b"gAMA": 100_000}])
def test_the_gamma_of_srgb_needs_no_profile(pixels: RgbArray, chunks: dict[bytes, int]) -> None:
    data = saved(Image.fromarray(pixels[:8, :8]), "PNG")
    for kind, value in chunks.items():
        data = with_chunk(data, kind, bytes([value]) if kind == b"sRGB" else struct.pack(">I", value))
    assert decode(data).icc is None


def test_numbers_before_profile_before_gamma(pixels: RgbArray) -> None:
    part = pixels[:8, :8]
    linear, wide = decode(of_gamma(part, 1.0)).icc, profile(b"RGB", 2.2, *P3)
    data = with_chunk(of_gamma(part, 1.0), b"iCCP", b"x\0\0" + zlib.compress(wide))
    assert decode(data).icc == wide != linear
    assert decode(with_chunk(data, b"cICP", bytes([*DISPLAY_P3, 0, 1]))).icc == profile_of_cicp(*DISPLAY_P3)


@pytest.mark.parametrize("told", [PQ, HLG])
def test_high_dynamic_range_is_shown_in_full_tones(told: tuple[int, int]) -> None:
    """Paper white is bright but not the brightest, tones keep their order, black is black."""
    ramp = np.repeat(np.linspace(0, 255, 256).round().astype(np.uint8)[None, :, None], 3, axis=2)
    tones = copy_shown(decode(told_png(ramp, told)), "png")[0, :, 1]
    assert tones[0] == 0
    assert tones[-1] > 250
    assert (np.diff(tones) >= 0).all()
    white = {PQ: 0.58, HLG: 0.75}[told]
    assert 200 < tones[round(white * 255)] < 245


@pytest.mark.parametrize("primaries", range(24))
@pytest.mark.parametrize("transfer", [1, 4, 5, 8, 13, 16, 17, 18])
def test_every_profile_can_be_used(primaries: int, transfer: int) -> None:
    icc = profile_of_cicp(primaries, transfer)
    if icc is None:
        return
    white = shown(Image.new("RGB", (4, 4), "white"), icc)
    assert white.min() >= 250, "white stays white"
    assert shown(Image.new("RGB", (4, 4)), icc).max() <= 1
    assert stripped(icc) == icc


@pytest.mark.parametrize(
    ("gamma", "chromaticities"),
    [(0, None), (1, None), (2**32 - 1, None), (50_000, (0,) * 8), (50_000, (1,) * 8), (50_000, (2**32 - 1,) * 8)],
)
def test_colours_that_make_no_sense_are_left_out(gamma: int, chromaticities: tuple[int, ...] | None) -> None:
    assert profile_of_gamma(gamma, chromaticities) is None


# greys


@pytest.mark.parametrize("depth", [8, 16])
@pytest.mark.parametrize("alpha", [False, True])
def test_greys_of_a_profile_become_srgbs(pixels: RgbArray, depth: int, alpha: bool) -> None:
    grey = np.asarray(Image.fromarray(pixels[:64, :64]).convert("L")).astype(int)
    values = grey * (257 if depth == 16 else 1)
    linear = b"x\0\0" + zlib.compress(profile(b"GRAY", 1.0))
    stored = np.dstack((values, np.full_like(values, 2**depth // 2))) if alpha else values
    photo = decode(with_chunk(png_of(stored, depth, 4 if alpha else 0), b"iCCP", linear))
    right = to_srgb(grey / 255.0)
    assert photo.grey
    assert photo.icc is None
    assert (photo.alpha is not None) == alpha
    assert np.abs(photo.pixels[:, :, 0] - right).max() <= 2
    assert (photo.pixels == photo.pixels[:, :, :1]).all()


def test_greys_of_a_gamma_become_srgbs() -> None:
    ramp = np.arange(256)[None]
    photo = decode(with_chunk(png_of(ramp, 8, 0), b"gAMA", struct.pack(">I", 100_000)))
    assert photo.icc is None
    assert np.abs(photo.pixels[0, :, 1] - to_srgb(ramp[0] / 255.0)).max() <= 2


def test_greys_with_the_profile_of_a_screen_stay_grey(pixels: RgbArray) -> None:
    """sRGB for a grey photo is common, and changes nothing."""
    srgb = ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes()
    grey = Image.fromarray(pixels[:40, :64]).convert("L")
    photo = decode(saved(grey, "PNG", icc_profile=srgb))
    assert photo.icc is None
    assert np.array_equal(photo.pixels[:, :, 0], np.asarray(grey))


# profiles


@pytest.mark.parametrize("source", ["JPEG", "PNG", "WEBP", "AVIF"])
def test_private_tags_never_survive(pixels: RgbArray, source: str) -> None:
    icc = profile(b"RGB", 2.2, *P3, private=PRIVATE)
    data = saved(Image.fromarray(pixels[:32, :32]), source, icc_profile=icc)
    photo = decode(data)
    assert photo.icc is not None
    assert PRIVATE not in photo.icc
    right = shown(Image.fromarray(photo.pixels), icc)
    assert np.array_equal(shown(Image.fromarray(photo.pixels), photo.icc), right)
    for format_ in ("keep", "png"):
        image = opened(encode(photo, format_))
        assert image.info["icc_profile"] == photo.icc


def test_what_hides_between_tags_or_behind_them_never_survives() -> None:
    icc = profile(b"RGB", 2.2, *P3)
    behind = icc + PRIVATE
    declared = struct.pack(">I", len(behind)) + behind[4:]
    for hidden in (behind, declared):
        kept = stripped(hidden)
        assert kept is not None
        assert PRIVATE not in kept
    assert stripped(icc) == icc


def test_a_long_description_is_replaced() -> None:
    named = profile(b"RGB", 2.2, *P3, (b"desc", (0.5,) * 500))
    kept = stripped(named)
    assert kept is not None
    assert len(kept) < 1000
    assert ImageCms.getProfileDescription(ImageCms.ImageCmsProfile(io.BytesIO(kept))).strip() == "RGB"


@pytest.mark.parametrize(
    "icc",
    [
        b"",
        bytes(200),
        profile(b"RGB", 2.2, *P3)[:140],
        profile(b"RGB", 2.2),
        profile(b"Lab", 2.2, *P3),
        profile(b"CMYK", 2.2, *P3),
        profile(b"GRAY", 2.2),
        profile(b"RGB", 2.2, *P3).replace(b"curv", b"xxxx"),
    ],
)
def test_a_profile_of_no_use_is_dropped(pixels: RgbArray, icc: bytes) -> None:
    data = with_chunk(saved(Image.fromarray(pixels[:8, :8]), "PNG"), b"iCCP", b"x\0\0" + zlib.compress(icc))
    photo = decode(data)
    assert photo.icc is None
    assert np.array_equal(photo.pixels, pixels[:8, :8])


def test_four_colours_keep_no_profile_of_three(pixels: RgbArray) -> None:
    data = saved(Image.fromarray(pixels[:32, :32]).convert("CMYK"), "JPEG", icc_profile=profile(b"RGB", 1.0, *P3))
    assert decode(data).icc is None


def test_profiles_in_parts_are_put_together(pixels: RgbArray) -> None:
    icc = profile(b"RGB", 2.2, *P3, private=bytes(200_000))
    data = saved(Image.fromarray(pixels[:32, :32]), "JPEG", icc_profile=icc)
    assert data.count(b"ICC_PROFILE") > 1
    photo = decode(data)
    assert photo.icc is not None
    assert ImageCms.ImageCmsProfile(io.BytesIO(photo.icc)).profile.xcolor_space.strip() == "RGB"
