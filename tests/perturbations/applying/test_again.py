"""Protecting what is protected already adds no more than what it lacks: the bound holds against the first photo."""

from __future__ import annotations

import io
import itertools
from typing import Any

import numpy as np
import pytest
from PIL import Image

from perturbations.apply import add
from perturbations.artifact import Perturbation, active
from perturbations.carried import carried, find, find_whole, sought
from perturbations.faces import Region, crop_for, locate
from perturbations.faces.crop import SCALE, SHIFT_DOWN
from perturbations.faces.tiles import tiles
from perturbations.held import Measured
from perturbations.images import RgbArray
from perturbations.photo import decode
from perturbations.protect import protect_photo
from perturbations.strength import STRENGTHS, Strength


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


WEAKER = [("subtle", "standard"), ("subtle", "strong"), ("standard", "strong")]
RAISED = "now as strong as was asked for"
DOUBTFUL = "protect the original again"


def said(notes: tuple[str, ...], words: str) -> bool:
    return any(words in note for note in notes)


@pytest.mark.parametrize(("before", "asked"), WEAKER)
@pytest.mark.parametrize("kind", [("RGB", 900), ("L", 900), ("RGB", 1400)])
def test_what_is_weaker_becomes_what_one_pass_makes(
    pixels: RgbArray, shipped: Perturbation, before: Strength, asked: Strength, kind: tuple[str, int]
) -> None:
    first = saved(pixels, mode=kind[0], side=kind[1])
    once = protect_photo(first, shipped, strength=asked)
    twice = protect_photo(protect_photo(first, shipped, strength=before).data, shipped, strength=asked)
    apart = np.abs(decode(once.data).pixels.astype(int) - decode(twice.data).pixels)
    assert (apart > 0).mean() < 1e-4, "where black or white was reached"
    assert furthest(first, twice.data) <= 6
    assert (twice.already_protected, twice.strength) == ((True,), asked)
    assert said(twice.notes, RAISED)
    assert not said(twice.notes, "left unchanged")
    assert not said(twice.notes, DOUBTFUL)


@pytest.mark.parametrize(("before", "asked"), sorted({*itertools.product(STRENGTHS, repeat=2)} - {*WEAKER}))
def test_what_is_as_strong_stays_and_the_copy_says_how_strong_it_is(
    pixels: RgbArray, shipped: Perturbation, before: Strength, asked: Strength
) -> None:
    copy = protect_photo(saved(pixels, side=900), shipped, strength=before)
    again = protect_photo(copy.data, shipped, strength=asked)
    assert furthest(copy.data, again.data) == 0
    assert again.strength == before
    assert said(again.notes, "left unchanged")
    assert not said(again.notes, RAISED)
    assert not said(again.notes, DOUBTFUL)


def test_a_jpeg_is_made_about_as_strong_as_one_pass_makes_it(pixels: RgbArray, shipped: Perturbation) -> None:
    first = saved(pixels, "JPEG", side=1000)
    once = protect_photo(first, shipped, strength="strong")
    twice = protect_photo(protect_photo(first, shipped, strength="subtle").data, shipped, strength="strong")
    mean = [np.abs(decode(done.data).pixels.astype(int) - decode(first).pixels).mean() for done in (once, twice)]
    assert mean[1] == pytest.approx(mean[0], rel=0.1)
    assert twice.strength == "strong"
    assert said(twice.notes, RAISED)


@pytest.mark.parametrize("format_", ["JPEG", "PNG"])
@pytest.mark.parametrize("asked", STRENGTHS)
def test_where_nobody_can_tell_the_original_is_asked_for(
    pixels: RgbArray, shipped: Perturbation, asked: Strength, format_: str
) -> None:
    """A small face."""
    copy = protect_photo(saved(pixels, format_, side=512), shipped, strength="standard")
    again = protect_photo(copy.data, shipped, strength=asked)
    assert again.already_protected == (True,)
    assert again.quality.psnr > 50
    assert said(again.notes, DOUBTFUL) == (asked != "subtle")


def test_each_face_gets_what_it_lacks(pixels: RgbArray, shipped: Perturbation) -> None:
    plain = saved(pixels, side=900)
    levels: tuple[Strength, ...] = ("subtle", "strong")
    copies = [decode(protect_photo(plain, shipped, strength=one).data).pixels for one in levels]
    out = io.BytesIO()
    Image.fromarray(np.concatenate([copies[0], copies[1]], axis=1)).save(out, "PNG")
    again = protect_photo(out.getvalue(), shipped, strength="strong")
    assert again.already_protected == (True, True)
    done = decode(again.data).pixels
    assert (done[:, :900] != copies[1]).mean() < 1e-4
    assert (done[:, 900:] == copies[1]).all()
    assert said(again.notes, RAISED)
    assert said(again.notes, "left unchanged")
    assert not said(again.notes, DOUBTFUL)


def test_a_whole_picture_gets_what_it_lacks(pixels: RgbArray, shipped: Perturbation) -> None:
    first = saved(pixels[300:, :212], side=212)
    once = protect_photo(first, shipped, strength="strong")
    twice = protect_photo(protect_photo(first, shipped, strength="subtle").data, shipped, strength="strong")
    assert once.faces == ()
    assert (decode(once.data).pixels != decode(twice.data).pixels).mean() < 1e-4


@pytest.mark.parametrize("beyond", [1, 2, 4])
@pytest.mark.parametrize("asked", STRENGTHS)
def test_a_crop_about_as_large_as_the_picture_never_gets_more_than_one_pass_adds(
    pixels: RgbArray, shipped: Perturbation, asked: Strength, beyond: int
) -> None:
    """δ may be found over the whole then, which is not exactly where it lies."""
    first = saved(pixels[:300, 100:400], side=400)
    side = round((400 + 2 * beyond) / SCALE)
    box = (200 - side // 2, round(200 - (0.5 + SHIFT_DOWN) * side), side, side)
    copy = first
    for strength in (asked, "standard", "strong"):
        copy = protect_photo(copy, shipped, strength=strength, boxes=[box]).data
        assert furthest(first, copy) <= 6


@pytest.mark.parametrize("before", ["subtle", "standard"])
def test_of_tiles_it_is_told(pixels: RgbArray, shipped: Perturbation, before: Strength) -> None:
    first = saved(pixels[300:, :212], side=1200)
    copy = protect_photo(first, shipped, strength=before, boxes=())
    assert copy.tiled
    again = protect_photo(copy.data, shipped, boxes=())
    assert furthest(copy.data, again.data) == 0
    assert (again.strength, said(again.notes, DOUBTFUL)) == (before, before == "subtle")


@pytest.mark.parametrize("aside", [0, -1, 1])
@pytest.mark.parametrize("side", [200, 330, 700, 1800])
def test_its_place_is_found_to_the_pixel(pixels: RgbArray, shipped: Perturbation, side: int, aside: int) -> None:
    """Even if it was found a sixteenth of its side away, where δ resembles itself."""
    picture = Image.fromarray(pixels).resize((2 * side, 2 * side), Image.Resampling.LANCZOS)
    true = Region(side // 2 + 3, side // 2 - 5, side, side)
    add(picture, [true], shipped, strength="subtle")
    near = Region(true.x + round(aside * side / 16), true.y + 1, side - 1, side - 1)
    measured = Measured(picture, shipped, grey=False)
    place = measured.place(near)
    assert measured.strength(place) == "subtle"
    assert measured.refined(place, "subtle") == true
    assert measured.strength(Region(true.x + side // 3, true.y, side, side)) is None, "it is not there"


@pytest.mark.parametrize("edit", ["scaled", "brighter", "compressed"])
def test_what_was_edited_since_does_not_pass_for_weaker(pixels: RgbArray, shipped: Perturbation, edit: str) -> None:
    side = 1000
    first = protect_photo(saved(pixels, side=side), shipped)
    face, copy, times = first.faces[0], decode(first.data).image, 1.0
    if edit == "scaled":
        times = 0.98
        copy = copy.resize((round(times * side), round(times * side)), Image.Resampling.LANCZOS)
    elif edit == "brighter":
        copy = copy.point(lambda value: min(255, round(1.3 * value)))
    else:
        out = io.BytesIO()
        copy.save(out, "JPEG", quality=92, subsampling=0)
        copy = Image.open(out)
    out = io.BytesIO()
    copy.save(out, "PNG")
    x, y, width, height = (round(times * length) for length in (face.x, face.y, face.width, face.height))
    again = protect_photo(out.getvalue(), shipped, boxes=[(x, y, width, height)])
    assert again.already_protected == (True,)
    assert furthest(out.getvalue(), again.data) == 0
