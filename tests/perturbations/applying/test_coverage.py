"""How much of a photo is protected, and how that is said."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from perturbations.copies import about_copy
from perturbations.coverage import coverage, notes
from perturbations.faces import Region, frame
from perturbations.protect import Source

REGIONS = st.lists(
    st.builds(Region, st.integers(-20, 40), st.integers(-20, 40), st.integers(1, 50), st.integers(1, 50)), max_size=5
)


@given(regions=REGIONS, width=st.integers(1, 40), height=st.integers(1, 40))
def test_every_pixel_inside_counts_once(regions: list[Region], width: int, height: int) -> None:
    inside = np.zeros((height, width), dtype=bool)
    for r in regions:
        inside[max(r.y, 0) : max(r.y + r.height, 0), max(r.x, 0) : max(r.x + r.width, 0)] = True
    assert coverage(regions, width, height) == pytest.approx(inside.mean())


def test_the_frame_is_everything() -> None:
    assert coverage([frame(7, 5), Region(1, 1, 2, 2)], 7, 5) == 1.0


@pytest.mark.parametrize(
    ("faces", "already", "first"),
    [
        (1, 0, "1 face was found and protected."),
        (3, 0, "3 faces were found and protected."),
        (1, 1, "1 face was found, already protected with this version."),
        (3, 3, "3 faces were found, already protected with this version."),
        (3, 1, "3 faces were found and protected, 1 of them already with this version."),
        (0, 0, "No face was found, so the whole picture was protected."),
        (0, 1, "No face was found. The whole picture was already protected with this version."),
    ],
)
def test_what_was_found_is_said_first(faces: int, already: int, first: str) -> None:
    said = notes(faces=faces, already=already, grey=False)
    assert said[0] == first
    assert ("Anybody else in the picture is not protected." in said) == (faces > 0)
    assert any("left unchanged" in sentence for sentence in said) == (already > 0)


def test_a_grey_photo_is_said_to_be_protected_less() -> None:
    assert "grey" in notes(faces=1, already=0, grey=True)[-1]


def test_given_faces_and_tiles_are_said() -> None:
    assert notes(faces=2, already=0, grey=False, given=True)[0] == "2 faces were given and protected."
    first, second = notes(faces=0, already=0, grey=False, tiled=True)
    assert first == "No face was found, so the whole picture was protected."
    assert "tiles" in second
    assert "Parts" in notes(faces=0, already=3, grey=False, tiled=True)[0]
    none = notes(faces=0, already=0, grey=False, given=True, tiled=True)
    assert none[0] == "No face was given, so the whole picture was protected."
    assert "send the photo again" not in none[1]


@pytest.mark.parametrize(("faces", "already"), [(1, 1), (3, 1), (3, 3), (0, 1)])
def test_this_version_is_named_only_if_it_was_found(faces: int, already: int) -> None:
    for another in (False, True):
        first = notes(faces=faces, already=already, grey=False, another=another)[0]
        assert "already" in first
        assert ("this version" in first) != another


def test_a_jpeg_is_recommended_only_where_it_is_known_to_be_smaller() -> None:
    def said(source: str, copy: str, *, opaque: bool = True) -> str:
        photo = Source(source, 9, 9, 100)
        return " ".join(about_copy(photo, copy, asked=copy, size=200, bits=8, deep=False, opaque=opaque))

    assert said("jpeg", "png").endswith("A JPEG would be smaller.")
    assert not any("JPEG" in said(*kinds) for kinds in (("jpeg", "jpeg"), ("png", "png"), ("webp", "webp")))
    assert "JPEG" not in said("avif", "png", opaque=False)
