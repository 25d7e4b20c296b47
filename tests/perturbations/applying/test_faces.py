"""Finding faces, and the crop around one."""

from __future__ import annotations

import math
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image

from perturbations.errors import BadImage, BadInput
from perturbations.faces import Face, Region, crop_batch, crop_for, cut, frame, locate, locator
from perturbations.faces.face import separate
from perturbations.faces.given import given as given_faces
from perturbations.faces.squares import merged
from perturbations.faces.tiles import AT_MOST, SMALL, tiles
from perturbations.images import RgbArray, extent, to_tensor
from perturbations.photo.bands import reduced
from perturbations.protect import SEARCHED, searched

FACES = st.builds(
    Face,
    x=st.integers(0, 300),
    y=st.integers(0, 300),
    width=st.integers(24, 200),
    height=st.integers(24, 200),
    confidence=st.floats(0.01, 0.99),
)

FACE_WIDTH = 95
"""Of the astronaut, in pixels."""


def overlap(a: Face, b: Face) -> int:
    across = min(a.x + a.width, b.x + b.width) - max(a.x, b.x)
    return max(0, across) * max(0, min(a.y + a.height, b.y + b.height) - max(a.y, b.y))


def contains(face: Face, x: float, y: float) -> bool:
    return face.x < x < face.x + face.width and face.y < y < face.y + face.height


@pytest.mark.parametrize("scale", [1, 4])
def test_finds_the_astronaut_at_every_size(pixels: RgbArray, scale: int) -> None:
    faces = locate(pixels.repeat(scale, 0).repeat(scale, 1)).faces
    assert len(faces) == 1
    face = faces[0]
    assert contains(face, 225 * scale, 118 * scale)
    assert 70 * scale < face.width < 130 * scale
    assert 0.5 < face.confidence < 1.0


def test_a_picture_upside_down_gets_almost_the_same_crop_upside_down(pixels: RgbArray) -> None:
    (upright,) = map(crop_for, locate(pixels).faces)
    (turned,) = map(crop_for, locate(np.ascontiguousarray(pixels[::-1, ::-1])).faces)
    height, width = pixels.shape[:2]
    near = 0.08 * upright.width
    assert turned.x == pytest.approx(width - upright.x - upright.width, abs=near)
    assert turned.y == pytest.approx(height - upright.y - upright.height, abs=near)
    assert turned.width == pytest.approx(upright.width, abs=near)


def test_finds_two_people(pixels: RgbArray) -> None:
    pair = np.concatenate([pixels, pixels[:, ::-1]], axis=1)
    faces = locate(pair).faces
    assert len(faces) == 2
    assert {contains(f, 225, 118) for f in faces} == {True, False}
    assert {contains(f, 1023 - 225, 118) for f in faces} == {True, False}


@pytest.mark.parametrize("size", [(12000, 1200), (1200, 12000)])
def test_a_long_picture_is_searched_as_finely_as_another(pixels: RgbArray, size: tuple[int, int]) -> None:
    """A panorama, and a long screenshot: what counts is how many pixels there are."""
    picture = Image.new("RGB", size, (120, 125, 118))
    for n in range(5):
        at = (1500 + 2000 * n, 500)
        picture.paste(Image.fromarray(pixels[20:260, 110:350]), at if size[0] > size[1] else at[::-1])
    assert len(searched(picture, reduced(picture, SEARCHED), locate).faces) == 5


@given(st.integers(1, 20_000), st.integers(1, 20_000))
def test_a_picture_counts_as_at_most_as_long_as_it_is(width: int, height: int) -> None:
    longer = max(width, height)
    assert longer / 16 <= extent(width, height) <= longer
    if 3 * longer <= 4 * min(width, height):
        assert extent(width, height) == longer, "square ones are searched by their side"


def test_finds_a_face_in_the_dark_beside_one_in_the_light(pixels: RgbArray) -> None:
    night, apart = pixels[:300] // 16, np.full((300, 300, 3), 15, np.uint8)
    found = locate(np.concatenate([pixels[:300], apart, night], axis=1)).faces
    assert len(found) == 2
    assert any(contains(face, 512 + 300 + 225, 118) for face in found)


@pytest.mark.parametrize("width", [512, 1000])
def test_finds_a_face_that_the_edge_cuts(pixels: RgbArray, width: int) -> None:
    """Not far beyond its middle."""
    picture = np.full((512, width, 3), 120, np.uint8)
    picture[:, -110:] = pixels[:, 135:245]
    assert len(locate(picture).faces) == len(locate(np.ascontiguousarray(picture[:, ::-1])).faces) == 1


@pytest.mark.parametrize("shape", [(1, 1, 3), (1, 4000, 3), (23, 23, 3), (200, 300, 3), (5000, 30, 3)])
def test_finds_nothing_where_nothing_is(shape: tuple[int, int, int]) -> None:
    assert locate(np.full(shape, 130, dtype=np.uint8)).faces == ()


def test_missing_model_file_is_explained(pixels: RgbArray) -> None:
    with pytest.raises(BadInput, match="POISE_YUNET_MODEL"):
        locator(Path("missing.onnx"))(pixels)


def test_the_environment_is_not_read(pixels: RgbArray, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("POISE_YUNET_MODEL", "missing.onnx")
    assert locator(None)(pixels) == locate(pixels)
    assert locate(pixels).faces


@given(st.lists(FACES, max_size=8))
def test_separated_faces_barely_overlap_and_the_surest_stays(faces: list[Face]) -> None:
    kept = separate(faces)
    assert set(kept) <= set(faces)
    assert [f.confidence for f in kept] == sorted((f.confidence for f in kept), reverse=True)
    if faces:
        assert kept[0].confidence == max(f.confidence for f in faces)
    for i, a in enumerate(kept):
        for b in kept[:i]:
            assert overlap(a, b) <= 0.3 * min(a.width * a.height, b.width * b.height)
    for dropped in set(faces) - set(kept):
        assert any(overlap(dropped, other) > 0 and other.confidence >= dropped.confidence for other in kept)


@given(FACES, st.integers(-500, 500), st.integers(-500, 500), st.integers(2, 5))
def test_crop_is_a_square_that_moves_and_grows_with_the_face(face: Face, dx: int, dy: int, factor: int) -> None:
    crop = crop_for(face)
    assert crop.width == crop.height
    moved = crop_for(Face(face.x + dx, face.y + dy, face.width, face.height, face.confidence))
    assert abs(moved.x - crop.x - dx) <= 1  # halves are rounded to even
    assert abs(moved.y - crop.y - dy) <= 1
    grown = crop_for(Face(factor * face.x, factor * face.y, factor * face.width, factor * face.height, face.confidence))
    assert abs(grown.width - factor * crop.width) <= factor
    assert abs(grown.x - factor * crop.x) <= 2 * factor


@given(
    st.builds(Region, st.integers(-30, 40), st.integers(-30, 40), st.integers(1, 50), st.integers(1, 50)),
    st.integers(1, 30),
    st.integers(1, 30),
)
def test_cut_repeats_the_edge_and_clipped_is_what_is_inside(region: Region, width: int, height: int) -> None:
    image = np.arange(width * height * 3, dtype=np.uint32).reshape(height, width, 3).astype(np.uint8)
    padded = np.pad(image, ((90, 90), (90, 90), (0, 0)), mode="edge")
    top, left = region.y + 90, region.x + 90
    patch = cut(image, region)
    assert np.array_equal(patch, padded[top : top + region.height, left : left + region.width])
    visible = region.clipped(width, height)
    inside = [(x, y) for y in range(height) for x in range(width) if 0 <= x - region.x < region.width]
    inside = [(x, y) for x, y in inside if 0 <= y - region.y < region.height]
    if visible is None:
        assert not inside
    else:
        assert (visible.x, visible.y) == min(inside)
        assert visible.width * visible.height == len(inside)


def test_crop_batch_is_8_bit_and_exact_at_its_own_size(pixels: RgbArray) -> None:
    region = Region(180, 70, 96, 96)
    assert torch.equal(crop_batch(pixels, region, 96), to_tensor(pixels[70:166, 180:276]))
    small = crop_batch(pixels, region, 64)
    assert small.shape == (1, 3, 64, 64)
    steps = (small + 1.0) * 127.5
    assert float((steps - steps.round()).abs().max()) < 1e-3
    assert crop_batch(pixels, frame(512, 512), 64).shape == (1, 3, 64, 64)


@pytest.mark.parametrize("share", [0.06, 0.12])
def test_two_small_faces_in_a_large_picture_are_found(pixels: RgbArray, share: float) -> None:
    """``share``: of a face in the side of the picture, in which two people stand."""
    side = 1536
    size = round(share * side * pixels.shape[0] / FACE_WIDTH)
    person = np.asarray(Image.fromarray(pixels).resize((size, size)))[: side // 2, : side // 2]
    group = np.full((side, side, 3), 128, np.uint8)
    for start in (0, side // 2):
        group[start : start + person.shape[0], start : start + person.shape[1]] = person
    assert len(locate(group).faces) == 2


@pytest.mark.parametrize("degrees", [-45, 25, 180])
def test_tilted_heads_are_found_and_their_crop_stays_on_the_face(pixels: RgbArray, degrees: int) -> None:
    photo = np.asarray(Image.fromarray(pixels[:256, 96:352]).rotate(degrees, Image.Resampling.BILINEAR))
    (face,) = locate(photo).faces
    crop = crop_for(face)
    turned = math.radians(degrees)
    x, y = 225 - 96 - 128, 118 - 128
    middle = 128 + x * math.cos(turned) + y * math.sin(turned), 128 - x * math.sin(turned) + y * math.cos(turned)
    assert abs(crop.x + crop.width / 2 - middle[0]) < 0.3 * FACE_WIDTH
    assert abs(crop.y + crop.height / 2 - middle[1]) < 0.3 * FACE_WIDTH
    assert 0.7 * FACE_WIDTH < crop.width < 1.8 * FACE_WIDTH


def test_a_small_face_in_twelve_megapixels_is_found(pixels: RgbArray) -> None:
    photo = np.full((3000, 4000, 3), 120, np.uint8)
    photo[1700:2130, 2900:3330] = np.asarray(Image.fromarray(pixels).resize((430, 430)))
    (face,) = locate(photo).faces
    assert contains(face, 2900 + 225 * 430 / 512, 1700 + 118 * 430 / 512)
    assert 55 < face.width < 110


@given(
    st.lists(
        st.tuples(st.floats(0, 500), st.floats(0, 500), st.floats(5, 300), st.floats(-2, 9), st.floats(0, 1)),
        max_size=12,
    )
)
def test_merged_boxes_are_apart_and_within_those_they_come_from(rows: list[tuple[float, ...]]) -> None:
    boxes = np.array(rows).reshape(-1, 5)
    faces = merged(boxes)
    assert len(faces) <= len(boxes)
    assert bool(len(faces)) == bool(len(boxes))
    if len(boxes):
        assert faces[0, 3] >= boxes[:, 3].max() - 1e-9
        assert (np.diff(faces[:, 3]) <= 0).all()
        assert (faces[:, :3].min(0) >= boxes[:, :3].min(0) - 1e-6).all()
        assert (faces[:, :3].max(0) <= boxes[:, :3].max(0) + 1e-6).all()


@pytest.mark.parametrize(
    ("width", "height"), [(384, 384), (4000, 3000), (1000, 385), (500, 4001), (8, 3000), (383, 900)]
)
def test_tiles_cover_the_picture_once(width: int, height: int) -> None:
    laid = tiles(width, height)
    covered = np.zeros((height, width), np.uint8)
    for tile in laid:
        part = tile.clipped(width, height)
        assert part is not None
        covered[part.y : part.y + part.height, part.x : part.x + part.width] += 1
    assert (covered == 1).all()
    assert (len(laid) == 1) == (min(width, height) < SMALL)


def test_given_boxes_become_faces() -> None:
    faces = given_faces([(10, 20, 30, 40), (-5, 0, 20, 20)], 100, 80)
    assert [(f.x, f.y, f.width, f.height) for f in faces] == [(10, 20, 30, 40), (-5, 0, 20, 20)]
    assert {f.source for f in faces} == {"given"}


@pytest.mark.parametrize(
    ("boxes", "said"),
    [
        ([(0, 0, 20, 20)] * 65, "65 boxes"),
        ([(0, 0, 20, 20), (1, 2, 3)], "box 2 is .* whole pixels"),
        ([(0, 0, 20.5, 20)], "whole pixels"),
        ([(0, 0, float("inf"), 20)], "whole pixels"),
        ([(True, 0, 20, 20)], "whole pixels"),
        ([("1", 0, 20, 20)], "whole pixels"),
        ([(0, 0, 0, 20)], "is empty"),
        ([(0, 0, 20, -20)], "is empty"),
        ([(100, 0, 20, 20)], "outside the photo, which has 100x80 pixels"),
        ([(0, -40, 20, 20)], "outside the photo"),
        ([(0, 0, 10**400, 20)], "more than twice the photo"),
    ],
)
def test_unusable_boxes_are_explained(boxes: list[Any], said: str) -> None:
    with pytest.raises(BadImage, match=said):
        given_faces(boxes, 100, 80)


@pytest.mark.parametrize("size", [(384, 130_000), (130_000, 384), (900, 30_000)])
def test_strips_have_few_tiles(size: tuple[int, int]) -> None:
    laid = tiles(*size)
    assert 32 <= len(laid) <= AT_MOST
    assert sum(visible.width * visible.height for tile in laid if (visible := tile.clipped(*size))) == size[0] * size[1]
