"""Scoring a protection, from two files.

The generators are small, seeded and untrained: scoring is judged by how it treats them, not by what they draw.
"""

from __future__ import annotations

import dataclasses
import io
import json
import math
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pytest
import skimage
import torch
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image
from torch import Tensor

from perturbations.effect import SUCCESS_THRESHOLD, l2_mask
from perturbations.errors import BadImage, BadInput
from perturbations.faces import Face, Region, crop_batch, crop_for, frame, locate
from perturbations.images import RgbArray, to_uint8
from perturbations.previews import Preview
from perturbations.score import MAX_FACES, ArchitectureScore, score_photo, summarise
from perturbations.targets import batches
from perturbations.targets.stargan import StarGAN


class Echo(StarGAN):
    """A StarGAN whose every edit gives its input back: it manipulates nothing."""

    architecture = "echo"

    def forward(self, x: Tensor, edit: str) -> Tensor:
        del edit
        return x


class Broken(StarGAN):
    """A StarGAN with ruined weights: it yields no numbers."""

    architecture = "broken"

    def forward(self, x: Tensor, edit: str) -> Tensor:
        return super().forward(x, edit) * torch.nan


class Amplifier(StarGAN):
    """A StarGAN whose edits invert the picture and exaggerate small differences: it is interrupted by anything."""

    architecture = "amplifier"

    def forward(self, x: Tensor, edit: str) -> Tensor:
        del edit
        return torch.sin(60.0 * x)


def generator(kind: type[StarGAN] = StarGAN, *, seed: int = 0, size: int = 64) -> StarGAN:
    torch.manual_seed(seed)
    return kind(
        edits={"first": (1, 0), "second": (0, 1), "third": (1, 1)}, image_size=size, conv_dim=8, c_dim=2, repeat_num=1
    )


def png(pixels: RgbArray) -> bytes:
    out = io.BytesIO()
    Image.fromarray(pixels).save(out, "PNG")
    return out.getvalue()


@pytest.fixture(scope="session")
def pixels() -> RgbArray:
    """The astronaut, ``[512, 512, 3]``, one face."""
    with Image.open(Path(skimage.__file__).parent / "data" / "astronaut.png") as image:
        return np.asarray(image.convert("RGB"))


@pytest.fixture(scope="session")
def astronaut(pixels: RgbArray) -> bytes:
    return png(pixels)


@pytest.fixture(scope="session")
def noisy(pixels: RgbArray) -> bytes:
    """The astronaut with strong noise everywhere."""
    noise = np.random.default_rng(0).choice([-60, 60], pixels.shape)
    return png((pixels + noise).clip(0, 255).astype(np.uint8))


@pytest.fixture(scope="session")
def targets() -> Sequence[StarGAN]:
    return [generator(seed=0), generator(Amplifier, seed=1)]


def test_same_picture_has_no_effect_and_is_never_interrupted(astronaut: bytes, targets: Sequence[StarGAN]) -> None:
    result = score_photo(astronaut, astronaut, targets=targets, twins=targets)
    assert [s.architecture for s in result.scores] == ["stargan", "amplifier"]
    for score in result.scores:
        assert score.l2_mask == pytest.approx(0.0, abs=1e-9)
        assert score.interrupted is False
        assert score.twin is not None
        assert score.twin.interrupted is False
    assert result.summary.interrupted == 0
    assert result.summary.architectures == 2
    assert result.summary.balance is None, "nothing over nothing is undefined"


def test_figures_are_those_of_the_delivered_bytes(
    astronaut: bytes, noisy: bytes, pixels: RgbArray, targets: Sequence[StarGAN]
) -> None:
    with Image.open(io.BytesIO(noisy)) as image:
        out = io.BytesIO()
        image.convert("RGB").save(out, "JPEG", quality=30)
    delivered = np.asarray(Image.open(io.BytesIO(out.getvalue())).convert("RGB"))
    region = crop_for(locate(pixels).faces[0])
    result = score_photo(astronaut, out.getvalue(), targets=targets)
    for target, score in zip(targets, result.scores, strict=True):
        x, y = (crop_batch(image, region, target.image_size) for image in (pixels, delivered))
        with torch.inference_mode():
            expected = [float(l2_mask(x, target(x, edit), target(y, edit))) for edit in target.edits]
        assert [e.edit for e in score.edits] == list(target.edits)
        assert [e.l2_mask for e in score.edits] == pytest.approx(expected)
        assert [e.interrupted for e in score.edits] == [v > SUCCESS_THRESHOLD for v in expected]
        assert score.l2_mask == pytest.approx(sum(expected) / len(expected))
        assert score.interrupted is all(v > SUCCESS_THRESHOLD for v in expected)
    assert result != score_photo(astronaut, noisy, targets=targets), "compression counts"


def test_only_the_crop_counts(astronaut: bytes, noisy: bytes, pixels: RgbArray, targets: Sequence[StarGAN]) -> None:
    region = crop_for(locate(pixels).faces[0])
    part = np.s_[region.y : region.y + region.height, region.x : region.x + region.width]
    outside = np.asarray(Image.open(io.BytesIO(noisy)).convert("RGB")).copy()
    outside[part] = pixels[part]
    inside = pixels.copy()
    inside[part] = np.asarray(Image.open(io.BytesIO(noisy)).convert("RGB"))[part]
    assert score_photo(astronaut, png(outside), targets=targets) == score_photo(astronaut, astronaut, targets=targets)
    assert score_photo(astronaut, png(inside), targets=targets) == score_photo(astronaut, noisy, targets=targets)


def test_no_face_scores_the_whole_frame(astronaut: bytes, noisy: bytes, targets: Sequence[StarGAN]) -> None:
    whole = score_photo(astronaut, noisy, targets=targets, faces=[])
    side = Face(0, 0, 512, 512, 0.5)
    assert crop_for(side) != frame(512, 512)
    assert whole != score_photo(astronaut, noisy, targets=targets, faces=[side])
    gray = png(np.full((60, 90, 3), 128, dtype=np.uint8))
    assert score_photo(gray, gray, targets=targets) == score_photo(gray, gray, targets=targets, faces=[])


def test_worst_face_is_reported(astronaut: bytes, noisy: bytes, pixels: RgbArray, targets: Sequence[StarGAN]) -> None:
    face = locate(pixels).faces[0]
    spared = Face(300, 300, 100, 100, 0.9)
    mixed = np.asarray(Image.open(io.BytesIO(noisy)).convert("RGB")).copy()
    mixed[250:] = pixels[250:]
    both = score_photo(astronaut, png(mixed), targets=targets, faces=[face, spared])
    assert both == score_photo(astronaut, png(mixed), targets=targets, faces=[spared, face])
    assert [s.l2_mask for s in both.scores] == [0.0, 0.0]
    assert both.summary.interrupted == 0


def test_previews_show_what_was_scored(
    astronaut: bytes, noisy: bytes, pixels: RgbArray, targets: Sequence[StarGAN]
) -> None:
    kept: list[Preview] = []
    spared = Face(300, 300, 100, 100, 0.9)
    mixed = np.asarray(Image.open(io.BytesIO(noisy)).convert("RGB")).copy()
    mixed[250:] = pixels[250:]
    faces = [locate(pixels).faces[0], spared]
    with_previews = score_photo(astronaut, png(mixed), targets=targets, twins=targets, faces=faces, previews=kept)
    assert with_previews == score_photo(astronaut, png(mixed), targets=targets, twins=targets, faces=faces)
    assert [(p.architecture, p.edit) for p in kept] == [(t.name, edit) for t in targets for edit in t.edits]
    # the worst face is the one that was spared, of which both pictures are the same
    crop = crop_batch(pixels, crop_for(spared), targets[0].image_size)
    for preview, (target, edit) in zip(kept, [(t, edit) for t in targets for edit in t.edits], strict=True):
        expected = to_uint8(target(crop, edit))[0]
        # edits in one batch round differently on some processors
        np.testing.assert_allclose(preview.original.astype(int), expected, rtol=0, atol=1)
        np.testing.assert_array_equal(preview.protected, preview.original)


def test_interrupted_generators_are_told_from_those_that_resist(
    astronaut: bytes, noisy: bytes, targets: Sequence[StarGAN]
) -> None:
    weak, strong = score_photo(astronaut, noisy, targets=targets).scores
    assert strong.interrupted is True
    assert strong.l2_mask is not None
    assert weak.l2_mask is not None
    assert strong.l2_mask > weak.l2_mask > 0.0


def test_pictures_too_large_to_go_together_score_the_same(
    astronaut: bytes, noisy: bytes, targets: Sequence[StarGAN], monkeypatch: pytest.MonkeyPatch
) -> None:
    together = score_photo(astronaut, noisy, targets=targets, faces=[])
    monkeypatch.setattr(batches, "PIXELS_AT_ONCE", 64 * 64)
    for apart, score in zip(
        score_photo(astronaut, noisy, targets=targets, faces=[]).scores, together.scores, strict=True
    ):
        assert apart.l2_mask == pytest.approx(score.l2_mask)


@pytest.mark.parametrize("kind", [Echo, Broken])
def test_generators_without_a_figure_are_null_and_left_out(
    kind: type[StarGAN], astronaut: bytes, noisy: bytes, targets: Sequence[StarGAN]
) -> None:
    silent = generator(kind)
    result = score_photo(astronaut, noisy, targets=[*targets, silent], twins=[silent])
    last = result.scores[-1]
    assert (last.l2_mask, last.interrupted) == (None, None)
    assert last.twin is not None
    assert (last.twin.l2_mask, last.twin.interrupted) == (None, None)
    assert all(edit.l2_mask is None and edit.interrupted is None for edit in last.edits)
    assert result.summary == score_photo(astronaut, noisy, targets=targets).summary
    json.dumps(dataclasses.asdict(result), allow_nan=False)
    alone = score_photo(astronaut, noisy, targets=[silent]).summary
    assert dataclasses.astuple(alone) == (0, 0, None, None, None)


def test_twins_are_matched_by_name(astronaut: bytes, noisy: bytes, targets: Sequence[StarGAN]) -> None:
    twin = generator(seed=7)
    first, second = score_photo(astronaut, noisy, targets=targets, twins=[twin]).scores
    own = score_photo(astronaut, noisy, targets=[twin]).scores[0]
    assert first.twin is not None
    assert (first.twin.l2_mask, first.twin.interrupted) == (own.l2_mask, own.interrupted)
    assert second.twin is None


def test_transparent_original_is_compared_with_what_was_flattened(pixels: RgbArray, targets: Sequence[StarGAN]) -> None:
    alpha = np.full(pixels.shape[:2], 128, dtype=np.uint8)
    original = png(np.dstack([pixels, alpha]))
    flat = (pixels * np.float32(128 / 255) + np.float32(127)).round().astype(np.uint8)
    result = score_photo(original, png(flat), targets=targets, faces=[])
    assert [s.interrupted for s in result.scores] == [False, False]


def test_unusable_files_are_explained(astronaut: bytes, pixels: RgbArray, targets: Sequence[StarGAN]) -> None:
    with pytest.raises(BadInput, match=r"512x512.*512x511"):
        score_photo(astronaut, png(pixels[1:]), targets=targets)
    with pytest.raises(BadImage):
        score_photo(astronaut, b"nothing", targets=targets)


@given(st.lists(st.none() | st.floats(0.0, 4.0), min_size=1, max_size=5))
def test_summary(effects: list[float | None]) -> None:
    scores = [
        ArchitectureScore(str(i), "", e, None if e is None else e > SUCCESS_THRESHOLD, (), None)
        for i, e in enumerate(effects)
    ]
    summary = summarise(scores)
    known = [e for e in effects if e is not None]
    assert summary.architectures == len(known)
    assert summary.interrupted == sum(e > SUCCESS_THRESHOLD for e in known)
    if known:
        assert effects[int(summary.weakest or -1)] == min(known)
    else:
        assert summary.weakest is None
    if summary.balance is None:
        assert not any(known)
    else:
        assert math.isfinite(summary.balance)
        assert summary.balance * max(known) == pytest.approx(min(known))


def test_the_surest_faces_are_scored_and_the_rest_is_counted(
    astronaut: bytes, noisy: bytes, targets: Sequence[StarGAN]
) -> None:
    faces = [Face(10 * i, 5 * i, 60 + i, 60 + i, confidence=0.5 + 0.01 * (i * 7 % 12)) for i in range(12)]
    some = score_photo(astronaut, noisy, targets=targets, twins=targets, faces=faces, max_faces=3)
    surest = sorted(faces, key=lambda face: -face.confidence)[:3]
    assert some.faces_not_scored == 9
    alone = score_photo(astronaut, noisy, targets=targets, twins=targets, faces=surest)
    assert (some.scores, alone.faces_not_scored) == (alone.scores, 0)
    assert score_photo(astronaut, noisy, targets=targets, faces=faces).faces_not_scored == 12 - MAX_FACES


def test_no_face_leaves_none_out(astronaut: bytes, targets: Sequence[StarGAN]) -> None:
    assert score_photo(astronaut, astronaut, targets=targets, faces=[], max_faces=1).faces_not_scored == 0


def test_what_a_messenger_leaves_is_the_evaluations_own_chain(
    astronaut: bytes, noisy: bytes, pixels: RgbArray, targets: Sequence[StarGAN]
) -> None:
    result = score_photo(astronaut, noisy, targets=targets, messenger=True)
    out = io.BytesIO()
    Image.open(io.BytesIO(noisy)).convert("RGB").save(out, "JPEG", quality=80)
    delivered = np.asarray(Image.open(out).convert("RGB"))
    side = crop_for(locate(pixels).faces[0])
    off = Region(
        side.x + round(0.03 * side.width),
        side.y + round(0.02 * side.height),
        round(0.95 * side.width),
        round(0.95 * side.height),
    )
    for target, score in zip(targets, result.scores, strict=True):
        x, y = (crop_batch(image, off, target.image_size) for image in (pixels, delivered))
        with torch.inference_mode():
            effects = [float(l2_mask(x, target(x, edit), target(y, edit))) for edit in target.edits]
        assert score.after_messenger is not None
        assert score.after_messenger.l2_mask == pytest.approx(sum(effects) / len(effects))
        assert score.after_messenger.interrupted is all(effect > SUCCESS_THRESHOLD for effect in effects)
    assert result.summary.interrupted_after_messenger == sum(
        s.after_messenger is not None and s.after_messenger.interrupted is True for s in result.scores
    )
    without = score_photo(astronaut, noisy, targets=targets)
    assert [s.l2_mask for s in without.scores] == [s.l2_mask for s in result.scores]
    assert without.summary.interrupted_after_messenger is None


@pytest.mark.parametrize(("side", "quality"), [(512, 40), (341, 85), (300, None), (700, 90)])
def test_a_copy_may_be_scaled_and_compressed(
    pixels: RgbArray, targets: Sequence[StarGAN], side: int, quality: int | None
) -> None:
    wide = pixels[:400]
    with Image.fromarray(wide) as image:
        out = io.BytesIO()
        small = image.resize((side, round(400 * side / 512)))
        small.save(out, "PNG" if quality is None else "JPEG", **({} if quality is None else {"quality": quality}))
    result = score_photo(png(wide), out.getvalue(), targets=targets[:1], messenger=True)
    assert result.scores[0].l2_mask is not None
    assert (result.notes == ()) is (side == 512)
    if side != 512:
        assert f"{side}x{round(400 * side / 512)} pixels" in result.notes[0]


def test_what_cannot_be_a_copy_is_refused(astronaut: bytes, pixels: RgbArray, targets: Sequence[StarGAN]) -> None:
    for other, why in (
        (pixels[:, ::-1].transpose(1, 0, 2)[::-1], "do not show the same"),
        (np.full((512, 512, 3), 255, np.uint8), "do not show the same"),
        (pixels[:400], "neither cropped nor turned"),
    ):
        with pytest.raises(BadInput, match=why):
            score_photo(astronaut, png(np.ascontiguousarray(other)), targets=targets)
    pale = (pixels // 2 + 100).astype(np.uint8)
    assert score_photo(astronaut, png(pale), targets=targets[:1]).scores
