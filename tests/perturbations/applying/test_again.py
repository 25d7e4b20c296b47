"""Protecting what is protected already changes nothing, so that the bound holds against the first photo."""

from __future__ import annotations

import io
from typing import Any

import numpy as np
import pytest
from PIL import Image

from perturbations.apply import add
from perturbations.artifact import Perturbation, active
from perturbations.carried import carried, find, find_whole, sought
from perturbations.faces import Region, crop_for, locate
from perturbations.faces.tiles import tiles
from perturbations.images import RgbArray
from perturbations.photo import decode
from perturbations.protect import protect_photo
from perturbations.strength import Strength


@pytest.fixture(scope="module")
def shipped() -> Perturbation:
    return active()


def saved(pixels: RgbArray, format_: str = "PNG", mode: str = "RGB", side: int = 512) -> bytes:
    out = io.BytesIO()
    Image.fromarray(pixels).resize((side, side), Image.Resampling.LANCZOS).convert(mode).save(out, format_, quality=95)
    return out.getvalue()


def furthest(a: bytes, b: bytes) -> int:
    return int(np.abs(decode(a).pixels.astype(int) - decode(b).pixels).max())


@pytest.mark.parametrize(("mode", "side"), [("RGB", 512), ("L", 512), ("RGB", 1400)])
def test_a_second_and_a_third_time_add_nothing(pixels: RgbArray, shipped: Perturbation, mode: str, side: int) -> None:
    first = saved(pixels, mode=mode, side=side)
    copy = protect_photo(first, shipped)
    assert copy.already_protected == (False,)
    assert furthest(first, copy.data) == 6
    for _ in range(2):
        copy = protect_photo(copy.data, shipped)
        assert copy.already_protected == (True,)
        assert furthest(first, copy.data) == 6
    assert "already protected" in copy.notes[0]


@pytest.mark.parametrize("mode", ["RGB", "L"])
def test_a_jpeg_that_carries_it_is_recognised(pixels: RgbArray, shipped: Perturbation, mode: str) -> None:
    first = protect_photo(saved(pixels, "JPEG", mode), shipped)
    second = protect_photo(first.data, shipped)
    assert second.already_protected == (True,)
    assert second.quality.psnr > 50, "what another JPEG changes; δ leaves 33"


def test_a_picture_without_faces_is_recognised(pixels: RgbArray, shipped: Perturbation) -> None:
    first = protect_photo(saved(pixels[300:, :212], side=212), shipped)
    assert first.faces == ()
    second = protect_photo(first.data, shipped)
    assert (second.already_protected, second.coverage) == ((True,), 1.0)
    assert furthest(first.data, second.data) == 0


def test_of_two_faces_only_the_new_one_is_changed(pixels: RgbArray, shipped: Perturbation) -> None:
    done = decode(protect_photo(saved(pixels), shipped).data).pixels
    pair = np.concatenate([done, pixels[:, ::-1]], axis=1)
    out = io.BytesIO()
    Image.fromarray(pair).save(out, "PNG")
    second = protect_photo(out.getvalue(), shipped)
    assert sorted(second.already_protected) == [False, True]
    for region, already in zip(second.regions, second.already_protected, strict=True):
        assert already == (region.x < 512)
    change = np.abs(decode(second.data).pixels.astype(int) - pair)
    assert change[:, :512].max() == 0
    assert change[:, 512:].max() == 6


def test_where_it_lies_beside_the_crop_it_is_found_and_kept(pixels: RgbArray, shipped: Perturbation) -> None:
    crop = crop_for(locate(pixels).faces[0])
    done = decode(protect_photo(saved(pixels), shipped).data).pixels
    beside = Region(crop.x + 4, crop.y - 3, crop.width + 5, crop.height + 5)
    found = find(Image.fromarray(done), beside, [sought(shipped, grey=False)])
    assert found.there
    pixel = max(2, round(0.012 * crop.width))  # of those it is compared at
    assert max(abs(found.region.x - crop.x), abs(found.region.width - crop.width)) <= pixel
    assert carried(Image.fromarray(done), [beside], [shipped], grey=False).free == ()


def test_what_is_not_protected_is_not_taken_for_it(
    pixels: RgbArray, shipped: Perturbation, signs: Perturbation
) -> None:
    other = decode(protect_photo(saved(pixels), signs).data).pixels
    for photo in (
        pixels,
        other,
        np.zeros_like(pixels),
        np.random.default_rng(0).integers(0, 256, pixels.shape, np.uint8),
    ):
        for grey in (False, True):
            wanted = [sought(shipped, grey=grey)]
            assert not find_whole(Image.fromarray(photo), wanted).there
            for region in (crop_for(locate(pixels).faces[0]), Region(-20, 300, 200, 200), Region(5, 5, 40, 40)):
                assert not find(Image.fromarray(photo), region, wanted).there


def test_an_earlier_version_is_recognised_if_it_is_known(
    pixels: RgbArray, shipped: Perturbation, signs: Perturbation
) -> None:
    crop = Region(120, 40, 200, 200)
    copy = Image.fromarray(pixels)
    add(copy, [crop], shipped, strength="standard")
    assert carried(copy, [crop], [signs], grey=False).flags == (False,)
    assert carried(copy, [crop], [signs, shipped], grey=False).flags == (True,)


def test_a_copy_is_said_to_carry_what_was_found(astronaut: bytes, shipped: Perturbation, signs: Perturbation) -> None:
    box = [(160, 60, 130, 130)]
    first = protect_photo(astronaut, shipped, boxes=box)
    again = protect_photo(first.data, signs, known=[shipped], boxes=box)
    assert (first.perturbation, again.perturbation) == (shipped, shipped)
    assert again.notes[0] == "1 face was given, already protected."


@pytest.mark.parametrize("strength", ["subtle", "standard"])
def test_where_many_tiles_carry_it_all_do(shipped: Perturbation, strength: Strength) -> None:
    squares = tiles(900, 800)[6:9] + tiles(900, 800)[11:13]
    copy = Image.fromarray(np.random.default_rng(3).integers(0, 255, (800, 900, 3), np.uint8))
    assert not any(carried(copy, squares, [shipped], grey=False, tiles=squares).flags)
    add(copy, squares, shipped, strength=strength)
    assert all(carried(copy, squares, [shipped], grey=False, tiles=squares).flags)


def test_where_one_tile_carries_it_the_others_do_not(pixels: RgbArray, shipped: Perturbation) -> None:
    squares = tiles(512, 512)[4:9]
    copy = Image.fromarray(pixels)
    add(copy, squares[:1], shipped, strength="strong")
    flags = carried(copy, squares, [shipped], grey=False, tiles=squares).flags
    assert flags[0]
    assert not any(flags[2:4]), "beside it, and below, a part of it may be found"


def test_what_is_transparent_costs_no_look_at_the_whole(shipped: Perturbation, monkeypatch: pytest.MonkeyPatch) -> None:
    converted: list[tuple[int, int]] = []
    convert = Image.Image.convert

    def noting(self: Image.Image, *arguments: Any, **options: Any) -> Image.Image:
        converted.append(self.size)
        return convert(self, *arguments, **options)

    picture = Image.new("RGBA", (900, 300), (200, 100, 50, 128))
    monkeypatch.setattr(Image.Image, "convert", noting)
    find(picture, Region(100, 100, 80, 80), [sought(shipped, grey=False)])
    assert converted
    assert max(converted) < (200, 200)
