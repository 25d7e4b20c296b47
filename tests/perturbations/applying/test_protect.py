"""Protecting a photo, from bytes to bytes."""

from __future__ import annotations

import io

import numpy as np
import pytest
import torch
from PIL import Image

from perturbations.apply import perturb
from perturbations.artifact import SHAPE, Perturbation
from perturbations.errors import BadImage, UnknownName
from perturbations.faces import Found, Region, crop_for
from perturbations.images import RgbArray
from perturbations.photo import decode
from perturbations.protect import protect_photo
from perturbations.quality import max_abs_diff, measure


def png(pixels: RgbArray) -> bytes:
    out = io.BytesIO()
    Image.fromarray(pixels).save(out, "PNG")
    return out.getvalue()


def test_only_the_face_changes_and_by_no_more_than_the_bound(astronaut: bytes, pixels: RgbArray) -> None:
    constant = Perturbation("constant", torch.full(SHAPE, 0.05), 0.05, {})
    result = protect_photo(astronaut, constant)
    assert (result.format, result.media_type) == ("png", "image/png")
    assert (result.source.format, result.source.width, result.source.height) == ("png", 512, 512)
    assert result.source.bytes == len(astronaut)
    assert len(result.faces) == len(result.regions) == 1
    difference = np.abs(decode(result.data).pixels.astype(int) - pixels)
    region = result.regions[0]
    assert region == crop_for(result.faces[0])
    part = np.s_[region.y : region.y + region.height, region.x : region.x + region.width]
    assert difference[part].max() == 6
    assert result.quality.max_abs_diff == 6
    difference[part] = 0
    assert not difference.any()


@pytest.mark.parametrize("format_", ["png", "jpeg", "webp"])
def test_quality_is_that_of_the_delivered_crop(
    astronaut: bytes, pixels: RgbArray, signs: Perturbation, format_: str
) -> None:
    result = protect_photo(astronaut, signs, format=format_)
    assert result.format == format_
    with Image.open(io.BytesIO(result.data)) as image:
        assert image.format == format_.upper()
        delivered = np.asarray(image.convert("RGB"))
    region = result.regions[0]
    part = np.s_[region.y : region.y + region.height, region.x : region.x + region.width]
    assert result.quality == measure(pixels[part], delivered[part])


def test_an_avif_stays_one_and_keeps_the_perturbation(pixels: RgbArray, signs: Perturbation) -> None:
    data = io.BytesIO()
    Image.fromarray(pixels).save(data, "AVIF", quality=90)
    result = protect_photo(data.getvalue(), signs)
    assert (result.format, result.media_type, result.source.format) == ("avif", "image/avif", "avif")
    asked = decode(protect_photo(data.getvalue(), signs, format="png").data).pixels
    assert max_abs_diff(decode(result.data).pixels, asked) <= 2
    assert 5 <= result.quality.max_abs_diff <= 8


def test_no_face_protects_the_whole_frame(signs: Perturbation) -> None:
    gray = np.full((90, 140, 3), 128, dtype=np.uint8)
    result = protect_photo(png(gray), signs)
    assert result.faces == ()
    assert result.regions == (Region(0, 0, 140, 90),)
    assert np.array_equal(decode(result.data).pixels, perturb(gray, result.regions, signs, strength="standard"))
    assert (decode(result.data).pixels != gray).any()


def test_without_a_face_a_large_photo_is_protected_in_tiles(signs: Perturbation) -> None:
    gray = np.full((400, 600, 3), 128, dtype=np.uint8)
    result = protect_photo(png(gray), signs)
    assert result.tiled
    assert result.faces == ()
    assert result.coverage == 1.0
    assert len(result.regions) == len(result.already_protected) >= 24
    difference = decode(result.data).pixels.astype(int) - gray
    assert 4 <= np.abs(difference).max() <= 6
    # along the edge of the picture borders are hard
    inside = [
        tile for tile in result.regions if tile.width == tile.height == 100 and 0 < tile.x < 500 and 0 < tile.y < 300
    ]
    assert len(inside) >= 4
    parts = [difference[t.y : t.y + 100, t.x : t.x + 100] for t in inside]
    assert all(np.array_equal(part, parts[0]) for part in parts)


def test_given_boxes_are_protected_and_nothing_is_looked_for(astronaut: bytes, signs: Perturbation) -> None:
    def never(image: RgbArray, *, reduction: float = 1.0) -> Found:
        raise AssertionError(image.shape, reduction)

    result = protect_photo(astronaut, signs, locator=never, boxes=[(300, 300, 100, 120), (20, 30, 40, 40)])
    assert [(f.x, f.y, f.source) for f in result.faces] == [(300, 300, "given"), (20, 30, "given")]
    assert result.regions == tuple(crop_for(face) for face in result.faces)
    assert not result.tiled
    assert result.notes[0] == "2 faces were given and protected."
    with pytest.raises(BadImage, match="512x512"):
        protect_photo(astronaut, signs, boxes=[(512, 0, 100, 100)])


@pytest.mark.parametrize("size", [(1, 1), (1, 900), (900, 1), (5, 5)])
def test_tiny_pictures(size: tuple[int, int]) -> None:
    constant = Perturbation("constant", torch.full(SHAPE, -0.05), 0.05, {})
    gray = np.full((*size, 3), 128, dtype=np.uint8)
    result = protect_photo(png(gray), constant)
    assert np.array_equal(decode(result.data).pixels, gray - 6)
    assert result.quality.max_abs_diff == 6
    assert np.isfinite([result.quality.psnr, result.quality.ssim]).all()


def test_face_at_the_border_is_protected_up_to_the_edge(pixels: RgbArray, signs: Perturbation) -> None:
    cropped = pixels[80:, :]  # the crop around the face now begins above the picture, or at its first rows
    result = protect_photo(png(cropped), signs)
    for region in result.regions:
        assert region.x >= 0
        assert region.y >= 0
        assert region.x + region.width <= 512
        assert region.y + region.height <= cropped.shape[0]
    assert np.abs(decode(result.data).pixels.astype(int) - cropped).max() <= 6


def test_transparency_is_kept_and_jpeg_is_protected_on_white(astronaut: bytes, signs: Perturbation) -> None:
    with Image.open(io.BytesIO(astronaut)) as image:
        picture = image.convert("RGBA")
    alpha = Image.new("L", picture.size, 255)
    alpha.paste(0, (0, 300, 512, 512))
    picture.putalpha(alpha)
    out = io.BytesIO()
    picture.save(out, "PNG")
    kept = decode(protect_photo(out.getvalue(), signs).data)
    assert kept.alpha is not None
    assert np.array_equal(kept.alpha, np.asarray(alpha))
    flat = decode(protect_photo(out.getvalue(), signs, format="jpeg").data)
    assert flat.alpha is None
    assert int(flat.pixels[330:].min()) > 240


def test_same_input_gives_the_same_bytes(astronaut: bytes, signs: Perturbation) -> None:
    assert protect_photo(astronaut, signs) == protect_photo(astronaut, signs)


def test_bad_input_is_explained(astronaut: bytes, signs: Perturbation) -> None:
    with pytest.raises(BadImage, match="damaged"):
        protect_photo(astronaut[: len(astronaut) // 3], signs)
    with pytest.raises(BadImage, match="scale it down"):
        protect_photo(astronaut, signs, max_pixels=512 * 512 - 1)
    with pytest.raises(UnknownName, match="gif"):
        protect_photo(astronaut, signs, format="gif")
