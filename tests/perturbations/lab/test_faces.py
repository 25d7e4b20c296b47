"""Labelled faces: halves, batches, refusals."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest
import torch

from perturbations.errors import BadFaces
from perturbations.images import to_tensor
from perturbations.lab.surrogates.faces import LabelledFaces

SIZE = 32


def _pictures(faces: LabelledFaces) -> set[bytes]:
    return {image.tobytes() for image in faces.images}


def test_the_halves_of_twins_share_no_picture_and_miss_none(folder: Path, faces: LabelledFaces) -> None:
    first, second = (LabelledFaces([folder], size=SIZE, half=half) for half in (0, 1))
    assert not _pictures(first) & _pictures(second)
    assert _pictures(first) | _pictures(second) == _pictures(faces)
    assert len(first) + len(second) == len(faces)


def test_labels_are_those_of_the_names(faces: LabelledFaces) -> None:
    # drawn faces: men are blue, the old are dark
    centre = faces.images[:, SIZE // 2, SIZE // 2].astype(int)
    assert ((centre[:, 2] > centre[:, 0]) == (faces.labels[:, 0] == 1).numpy()).all()
    assert ((centre.max(axis=1) < 180) == (faces.labels[:, 1] == 1).numpy()).all()


def test_a_batch_depends_on_seed_and_step_alone(folder: Path, faces: LabelledFaces) -> None:
    first = faces.batch(16, seed=1, step=5)
    torch.rand(3)  # the global generator must not matter
    for again in (faces.batch(16, seed=1, step=5), LabelledFaces([folder], size=SIZE).batch(16, seed=1, step=5)):
        assert torch.equal(first.x, again.x)
        assert torch.equal(first.labels, again.labels)
    assert not torch.equal(first.x, faces.batch(16, seed=1, step=6).x)
    assert not torch.equal(first.x, faces.batch(16, seed=2, step=5).x)


def test_batches_are_balanced_and_hold_the_faces_flipped_or_not(folder: Path, tmp_path: Path) -> None:
    for path in folder.iterdir():
        # all young women, and eight of each of the others
        if path.name.startswith("30_1_") or int(path.stem.split("_")[3]) < 32:
            shutil.copy(path, tmp_path)
    skewed = LabelledFaces([tmp_path], size=SIZE)
    assert float(skewed.labels.mean()) < 0.45
    batch = skewed.batch(2000, seed=0, step=0)
    assert torch.allclose(batch.labels.mean(dim=0), torch.tensor(0.5), atol=0.05)
    known = {x.numpy().tobytes() for x in to_tensor(skewed.images)}
    straight = [x.numpy().tobytes() in known for x in batch.x[:100]]
    assert all(s or x.flip(-1).contiguous().numpy().tobytes() in known for s, x in zip(straight, batch.x, strict=False))
    assert 20 < sum(straight) < 80


def test_limit_and_progress(folder: Path) -> None:
    seen: list[tuple[int, int]] = []
    limited = LabelledFaces([folder], size=SIZE, limit=80, progress=lambda n, total: seen.append((n, total)))
    assert len(limited) == 80
    assert seen == [(n, 80) for n in range(1, 81)]


def test_children_and_unlabelled_pictures_are_left_out(folder: Path, faces: LabelledFaces, tmp_path: Path) -> None:
    pictures = sorted(folder.iterdir())
    for path in pictures:
        shutil.copy(path, tmp_path)
    for name in ("8_0_0_1.png", "nobody.png", "30_2_0_1.png", "61_1.png"):
        shutil.copy(pictures[0], tmp_path / name)
    assert len(LabelledFaces([tmp_path], size=SIZE)) == len(faces)


def test_a_missing_label_group_is_refused(folder: Path, tmp_path: Path) -> None:
    for path in folder.iterdir():
        if not path.name.startswith("60_0_"):
            shutil.copy(path, tmp_path)
    with pytest.raises(BadFaces, match="eight faces each"):
        LabelledFaces([tmp_path], size=SIZE)
