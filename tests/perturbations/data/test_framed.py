"""Chips are used whole; of photos, what the locator finds."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import skimage
from PIL import Image

from perturbations.data import open_faces
from perturbations.data.framed import FramedFaces, framed_faces
from perturbations.errors import BadFaces
from perturbations.faces import crop_for, locate

ASTRONAUT = Path(skimage.__file__).parent / "data" / "astronaut.png"


@pytest.fixture(scope="session")
def photo() -> Image.Image:
    """512 x 512, one face at about (225, 115)."""
    return Image.open(ASTRONAUT).convert("RGB")


def _folder(place: Path, *pictures: Image.Image) -> FramedFaces:
    for index, picture in enumerate(pictures):
        picture.save(place / f"{index}.png")
    return FramedFaces(open_faces([place]))


def test_a_photo_is_framed_around_its_face(photo: Image.Image, tmp_path: Path) -> None:
    faces = _folder(tmp_path, photo)
    assert not faces.chips
    framed = faces[0]
    assert framed.region == crop_for(locate(np.asarray(photo)).faces[0])
    left, top = framed.region.x, framed.region.y
    assert left < 225 < left + framed.region.width < 512
    assert top < 115 < top + framed.region.height < 300
    assert framed.chip(64).shape == (64, 64, 3)
    assert framed.chip(64).dtype == np.uint8


def test_a_chip_is_used_whole(photo: Image.Image, tmp_path: Path) -> None:
    face = locate(np.asarray(photo)).faces[0]
    region = crop_for(face)
    margin = region.width // 10
    box = (
        region.x - margin,
        region.y - margin,
        region.x + region.width + margin,
        region.y + region.height + margin,
    )
    chip = photo.crop(box).resize((200, 200))
    assert locate(np.asarray(chip)).faces, "the locator must see this face, else the test says nothing"
    faces = _folder(tmp_path, chip)
    assert faces.chips
    region = faces[0].region
    assert (region.x, region.y, region.width, region.height) == (0, 0, 200, 200)


def test_an_archive_without_a_found_face_holds_chips(tmp_path: Path) -> None:
    faces = _folder(tmp_path, Image.new("RGB", (40, 30), (90, 20, 60)))
    assert faces.chips
    assert (faces[0].region.width, faces[0].region.height) == (40, 30)


def test_a_photo_without_a_face_among_photos_is_framed_whole(photo: Image.Image, tmp_path: Path) -> None:
    faces = _folder(tmp_path, photo, photo.transpose(Image.Transpose.FLIP_LEFT_RIGHT), Image.new("RGB", (64, 48)))
    assert not faces.chips
    sizes = {faces.order[i]: (faces[i].region.width, faces[i].region.height) for i in range(3)}
    assert sizes[2] == (64, 48)
    assert max(sizes[0]) < 300
    assert max(sizes[1]) < 300


def test_the_order_is_a_permutation_that_hangs_on_the_seed(tmp_path: Path) -> None:
    for index in range(20):
        Image.new("RGB", (16, 16), (index * 10, 0, 0)).save(tmp_path / f"{index:02}.png")
    archive = open_faces([tmp_path])
    first, again, other = (FramedFaces(archive, seed=seed) for seed in (1, 1, 2))
    assert first.order == again.order != other.order
    assert sorted(first.order) == sorted(other.order) == list(range(20))
    taken = np.stack([face.chip(16) for face in first.take(20)])
    assert sorted(taken[:, 0, 0, 0].tolist()) == [10 * index for index in range(20)]


def test_take_passes_over_what_cannot_be_read(tmp_path: Path) -> None:
    for index in range(6):
        Image.new("RGB", (16, 16), (index, 0, 0)).save(tmp_path / f"{index}.png")
    for index in (1, 4):
        (tmp_path / f"{index}.png").write_bytes(b"damaged")
    faces = FramedFaces(open_faces([tmp_path]))
    seen: list[tuple[int, int]] = []
    taken = faces.take(6, progress=lambda n, total: seen.append((n, total)))
    assert sorted(int(f.image[0, 0, 0]) for f in taken) == [0, 2, 3, 5]
    assert seen == [(1, 6), (2, 6), (3, 6), (4, 6)]
    assert len(faces.take(2)) == 2
    with pytest.raises(BadFaces, match="no readable face"):
        faces.take(1, skip=6)


def test_archives_take_turns_and_each_is_framed_for_what_it_holds(photo: Image.Image, tmp_path: Path) -> None:
    photos, chips = tmp_path / "photos", tmp_path / "chips"
    for place in (photos, chips):
        place.mkdir()
    _folder(photos, photo)
    _folder(chips, *[Image.new("RGB", (16, 16), (index, 0, 0)) for index in range(3)])
    faces = framed_faces([chips, photos])
    assert len(faces) == 4
    sizes = [framed.image.shape[0] for framed in faces.take(4)]
    assert sizes == [16, 512, 16, 16]
    assert faces[0].region.width == 16
    assert 16 < faces[1].region.width < 300
    assert framed_faces([chips]).take(3)[0].image.tolist() == FramedFaces(open_faces([chips])).take(1)[0].image.tolist()
    (tmp_path / "empty").mkdir()
    with pytest.raises(BadFaces, match="no pictures"):
        framed_faces([chips, tmp_path / "empty"])
