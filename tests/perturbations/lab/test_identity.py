"""Identity encoders: what they learn from, what they are judged by, and the identities of nobody."""

from __future__ import annotations

import shutil
from pathlib import Path

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from PIL import Image, ImageDraw

from perturbations.data.people import NamedFaces, person_of
from perturbations.errors import BadCheckpoint, BadFaces
from perturbations.images import RgbArray
from perturbations.lab.surrogates.augment import augment
from perturbations.lab.surrogates.faces import LabelledFaces
from perturbations.lab.surrogates.identity import (
    IdentityTraining,
    contrast,
    encoder_notes,
    identities_of,
    identity_of_nobody,
    load_encoder,
    save_encoder,
    train_identity,
    verification_auc,
)
from perturbations.targets.networks.identity import IdentityEncoder

SIZE = 32
CPU = torch.device("cpu")


def _draw(person: int, rng: np.random.Generator) -> RgbArray:
    """A face whose eyes and mouth are the person's own; background, light and place change from photo to photo."""
    own = np.random.default_rng(person)
    image = Image.new("RGB", (SIZE, SIZE), tuple(rng.integers(0, 256, 3).tolist()))
    pen = ImageDraw.Draw(image)
    light = int(rng.integers(170, 240))
    dx, dy = rng.integers(-1, 2, 2).tolist()
    pen.ellipse([4 + dx, 2 + dy, 28 + dx, 30 + dy], fill=(light, light, light))
    apart, high, wide, low = own.integers(3, 9), own.integers(8, 16), own.integers(2, 10), own.integers(18, 26)
    for side in (-1, 1):
        x = 16 + dx + side * int(apart)
        pen.ellipse([x - 2, int(high) + dy - 2, x + 2, int(high) + dy + 2], fill=(20, 20, 20))
    pen.rectangle([16 + dx - int(wide), int(low) + dy, 16 + dx + int(wide), int(low) + dy + 2], fill=(60, 20, 20))
    return np.asarray(image)


@pytest.fixture(scope="module")
def people_folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Twelve drawn people, three photos each; and one picture that names nobody."""
    place = tmp_path_factory.mktemp("people")
    rng = np.random.default_rng(0)
    for person in range(12):
        for photo in range(3):
            Image.fromarray(_draw(person, rng)).save(place / f"Person_{chr(65 + person)}_{photo:04}.png")
    Image.fromarray(_draw(99, rng)).save(place / "30_1_0_5.png")
    return place


@pytest.fixture(scope="module")
def people(people_folder: Path) -> NamedFaces:
    return NamedFaces([people_folder], size=SIZE)


@pytest.mark.parametrize(
    ("name", "person"),
    [
        ("Aaron_Eckhart_0001.jpg", "Aaron_Eckhart"),
        ("Abdel_Aziz_Al-Hakim_0012.png", "Abdel_Aziz_Al-Hakim"),
        ("100_0_0_20170112213500903.jpg", None),
        ("30_1_0_0005.jpg", None),
        ("astronaut.png", None),
        ("Somebody_1.jpg", None),
    ],
)
def test_names_say_who_is_in_the_picture(name: str, person: str | None) -> None:
    assert person_of(name) == person


def test_named_faces_are_numbered_by_person(people: NamedFaces) -> None:
    assert len(people) == 36
    assert np.bincount(people.people).tolist() == [3] * 12
    assert people.images.shape == (36, SIZE, SIZE, 3)


def test_the_halves_of_twins_share_no_person_and_miss_none(people_folder: Path, people: NamedFaces) -> None:
    halves = [NamedFaces([people_folder], size=SIZE, half=half) for half in (0, 1)]
    seen = [{image.tobytes() for image in faces.images} for faces in halves]
    assert not seen[0] & seen[1]
    assert seen[0] | seen[1] == {image.tobytes() for image in people.images}
    assert all(np.bincount(faces.people).tolist() == [3] * 6 for faces in halves)


def test_pictures_that_name_nobody_make_no_named_faces(folder: Path) -> None:
    assert len(NamedFaces([folder], size=SIZE)) == 0


def test_augmenting_depends_on_the_generator_alone_and_lets_gradients_through() -> None:
    x = (torch.rand(4, 3, SIZE, SIZE, generator=torch.Generator().manual_seed(0)) * 2 - 1).requires_grad_()
    first, again, other = (augment(x, torch.Generator().manual_seed(seed)) for seed in (1, 1, 2))
    assert first.shape == x.shape
    assert torch.equal(first, again)
    assert not torch.allclose(first, other)
    (gradient,) = torch.autograd.grad(first.sum(), x)
    assert (gradient.flatten(1).abs().sum(dim=1) > 0).all()
    covered = augment(x, torch.Generator().manual_seed(1), occlude=True)
    hidden = (covered == 0).all(dim=1).float().mean()
    assert 0 < float(hidden) < 0.16  # at most 40 % of the width, squared


def test_contrast_is_least_where_partners_agree_and_the_others_are_far() -> None:
    four = torch.eye(4)
    paired, crossed = torch.cat([four, four]), torch.cat([four, four.roll(1, dims=0)])
    same = torch.ones(8, 4) / 2
    assert float(contrast(paired, temperature=0.1)) < 0.01
    assert float(contrast(same, temperature=0.1)) == pytest.approx(np.log(7), abs=1e-4)
    assert float(contrast(crossed, temperature=0.1)) > 9


class _Colour(IdentityEncoder):
    """Tells people by the mean colour of the picture."""

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return F.normalize(x.mean(dim=(2, 3)), dim=1)


def _coloured(place: Path, colours: RgbArray) -> NamedFaces:
    """Three photos of one colour each of every person, ``colours`` is ``[people, 3, 3]``."""
    for person, photos in enumerate(colours):
        for number, colour in enumerate(photos):
            picture = Image.new("RGB", (SIZE, SIZE), tuple(colour.tolist()))
            picture.save(place / f"Person_{chr(65 + person)}_{number:04}.png")
    return NamedFaces([place], size=SIZE)


def test_verification_is_perfect_where_colours_tell_people_apart(tmp_path: Path) -> None:
    colours = np.random.default_rng(1).integers(0, 256, (20, 1, 3), dtype=np.uint8)
    told = _coloured(tmp_path, np.repeat(colours, 3, axis=1))
    assert verification_auc(_Colour(width=1, latent_size=3), told) > 0.99


def test_verification_is_chance_where_colours_say_nothing(tmp_path: Path) -> None:
    noise = _coloured(tmp_path, np.random.default_rng(1).integers(0, 256, (20, 3, 3), dtype=np.uint8))
    assert 0.3 < verification_auc(_Colour(width=1, latent_size=3), noise) < 0.7


def test_verification_needs_two_photos_of_somebody_and_somebody_else(people_folder: Path, tmp_path: Path) -> None:
    reader = _Colour(width=1, latent_size=3)
    for number in range(2):
        shutil.copy(people_folder / f"Person_A_{number:04}.png", tmp_path)
        with pytest.raises(BadFaces, match="two photos"):
            verification_auc(reader, NamedFaces([tmp_path], size=SIZE))


def test_an_encoder_learns_to_tell_people_apart(faces: LabelledFaces, people: NamedFaces) -> None:
    config = IdentityTraining(width=8, latent_size=16, steps=40, pairs=12, named=1.0, seed=1)
    losses = []
    for step, loss, trained in train_identity(faces, people, config, device=CPU):
        losses.append(loss)
        if step == 1:
            untrained = verification_auc(trained, people)
        encoder = trained
    assert np.mean(losses[-5:]) < 0.7 * np.mean(losses[:5])
    learnt = verification_auc(encoder, people)
    assert learnt > 0.85
    assert learnt > untrained


def test_training_follows_from_its_seed_and_needs_nobody_named(folder: Path, faces: LabelledFaces) -> None:
    nobody = NamedFaces([folder], size=SIZE)

    def losses(seed: int) -> list[float]:
        torch.rand(seed + 1)  # the global generator must not matter
        config = IdentityTraining(width=4, latent_size=8, steps=2, pairs=16, seed=seed)
        return [loss for _, loss, _ in train_identity(faces, nobody, config, device=CPU)]

    assert losses(3) == losses(3) != losses(4)


def test_an_identity_of_nobody_is_like_the_identities_it_is_drawn_from_but_none_of_them() -> None:
    noise = torch.randn(300, 16, generator=torch.Generator().manual_seed(0))
    around = F.normalize(torch.eye(16)[0] + 0.1 * noise, dim=1)
    drawn = torch.tensor([identity_of_nobody(around, seed=seed) for seed in range(50)])
    torch.testing.assert_close(drawn.norm(dim=1), torch.ones(50), rtol=1e-4, atol=1e-4)
    # as far from the middle as those are, and no copy of any
    middle = F.normalize(around.mean(dim=0), dim=0)
    assert float((drawn @ middle).mean()) == pytest.approx(float((around @ middle).mean()), abs=0.05)
    assert float((drawn @ around.T).max()) < 0.999
    assert (
        identity_of_nobody(around, seed=7) == identity_of_nobody(around, seed=7) != identity_of_nobody(around, seed=8)
    )


def test_an_encoder_survives_its_file(people: NamedFaces, tmp_path: Path) -> None:
    torch.manual_seed(0)
    encoder = IdentityEncoder(width=4, latent_size=8)
    save_encoder(encoder, tmp_path / "deep" / "identity.safetensors", notes={"named": 12})
    loaded = load_encoder(tmp_path / "deep" / "identity.safetensors")
    assert torch.equal(identities_of(loaded, people.images), identities_of(encoder, people.images))
    assert encoder_notes(tmp_path / "deep" / "identity.safetensors") == {"named": 12, "width": 4, "latent_size": 8}
    (tmp_path / "other.safetensors").write_bytes(b"\x10")
    with pytest.raises(BadCheckpoint, match="is not an identity encoder"):
        load_encoder(tmp_path / "other.safetensors")
