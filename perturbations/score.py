"""Score a protection: how badly each generator fails on the delivered bytes.

Both files are decoded as by any reader, and the photo is brought to the size of its copy, if that was scaled. The crop
an attacker's pipeline would take is cut out of both (:func:`perturbations.faces.crop_batch`), and each generator
manipulates both crops.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Final

import torch
from torch import Tensor

from perturbations.alignment import aligned
from perturbations.effect import SUCCESS_THRESHOLD, l2_mask
from perturbations.faces import Face, Locate, Region, crop_batch, crop_for, frame, locate
from perturbations.images import MAX_PIXELS, RgbArray, to_uint8
from perturbations.messenger import Sent, sent
from perturbations.photo import Photo, decode
from perturbations.previews import Preview
from perturbations.scaling import times
from perturbations.targets.batches import fit
from perturbations.targets.interface import Target

MAX_FACES: Final = 8
"""Default number of scored faces in one photo: every generator tries every edit on each."""


@dataclass(frozen=True, slots=True)
class EditScore:
    """One manipulation. l2_mask: the effect, ``None`` if the edit manipulates nothing of this face."""

    edit: str
    l2_mask: float | None
    interrupted: bool | None


@dataclass(frozen=True, slots=True)
class TwinScore:
    """The same figures for the twin: a generator of the same architecture that no perturbation was trained on."""

    l2_mask: float | None
    interrupted: bool | None


@dataclass(frozen=True, slots=True)
class MessengerScore:
    """The same figures, of the same face, once a messenger has sent the copy on: see :mod:`perturbations.messenger`."""

    l2_mask: float | None
    interrupted: bool | None


@dataclass(frozen=True, slots=True)
class ArchitectureScore:
    """One generator, on the face it is interrupted least on.

    l2_mask: the mean over the edits that manipulate anything, ``None`` if none does. interrupted: whether all of
    those are (L2mask above ``SUCCESS_THRESHOLD``).
    """

    architecture: str
    paradigm: str
    l2_mask: float | None
    interrupted: bool | None
    edits: tuple[EditScore, ...]
    twin: TwinScore | None
    after_messenger: MessengerScore | None = None


@dataclass(frozen=True, slots=True)
class Summary:
    """All generators together, except those that manipulate nothing.

    interrupted: how many are, of ``architectures`` that have a score. weakest: the one with the lowest L2mask.
    balance: lowest over highest L2mask, 1 is perfect equilibrium; ``None`` if the highest is 0 or nothing is scored.
    interrupted_after_messenger: how many still are behind a messenger; ``None`` if that was not tried.
    """

    interrupted: int
    architectures: int
    weakest: str | None
    balance: float | None
    interrupted_after_messenger: int | None = None


@dataclass(frozen=True, slots=True)
class PhotoScore:
    """What ``poise score`` and the report give.

    faces_not_scored: how many faces were left out, the least sure ones. notes: what to know about the comparison.
    """

    scores: tuple[ArchitectureScore, ...]
    summary: Summary
    faces_not_scored: int = 0
    notes: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class FaceScore:
    """The scores of one face: its region, mean L2mask, each edit's, and the outputs."""

    region: Region
    l2_mask: float | None
    edits: tuple[EditScore, ...]
    previews: tuple[Preview, ...]


def score_photo(
    original: bytes,
    protected: bytes,
    *,
    targets: Sequence[Target],
    twins: Sequence[Target] = (),
    faces: Sequence[Face] | None = None,
    locator: Locate = locate,
    max_faces: int = MAX_FACES,
    max_pixels: int = MAX_PIXELS,
    previews: list[Preview] | None = None,
    messenger: bool = False,
) -> PhotoScore:
    """Compare what generators make of two files.

    Args:
        original: the file before protection.
        protected: the file as delivered.
        targets: the generators; each runs on the device its weights are on.
        twins: generators that only ever score, matched to ``targets`` by name.
        faces: where the faces are; ``None`` means locate them on the original, none at all means the whole frame.
        locator: finds them there.
        max_faces: if there are more, the surest ones are scored.
        max_pixels: larger pictures are refused before they are decoded.
        previews: what ``targets`` make of the face each is interrupted least on is appended here; twins show nothing.
        messenger: whether ``targets`` try the copy once more behind a messenger.

    Raises:
        BadImage: one of the files cannot be decoded.
        BadInput: the second picture cannot be a copy of the first, not even a scaled one.
    """
    before, after = (decode(data, max_pixels=max_pixels) for data in (original, protected))
    if after.alpha is None:  # a protected copy without transparency was flattened before it was protected
        before = before.flattened()
    found = locator(before.pixels).faces if faces is None else faces
    surest = _surest(found, max_faces)
    untouched, delivered = aligned(before.pixels, after.pixels), after.pixels
    scale = after.width / before.width
    regions = [times(crop_for(face), scale) for face in surest] or [frame(after.width, after.height)]
    behind = sent(untouched, delivered) if messenger else None
    by_name = {twin.name: twin for twin in twins}
    scores = []
    for target in targets:
        face = _worst_face(target, untouched, delivered, regions, keep=previews is not None)
        if previews is not None:
            previews += face.previews
        twin = by_name.get(target.name)
        scores.append(
            ArchitectureScore(
                architecture=target.name,
                paradigm=target.paradigm,
                l2_mask=face.l2_mask,
                interrupted=_all_interrupted(face.edits),
                edits=face.edits,
                twin=None if twin is None else _twin(twin, untouched, delivered, regions),
                after_messenger=None if behind is None else _behind(target, behind, face.region),
            )
        )
    return PhotoScore(
        tuple(scores), summarise(scores), faces_not_scored=len(found) - len(surest), notes=_notes(before, after)
    )


def _notes(before: Photo, after: Photo) -> tuple[str, ...]:
    if (before.width, before.height) == (after.width, after.height):
        return ()
    sizes = f"The copy has {after.width}x{after.height} pixels and the photo {before.width}x{before.height}"
    return (f"{sizes}: they were compared at the size of the copy.",)


def summarise(scores: Sequence[ArchitectureScore]) -> Summary:
    """The summary of ``scores``."""
    effects = {s.architecture: s.l2_mask for s in scores if s.l2_mask is not None}
    lowest = min(effects.values(), default=0.0)
    highest = max(effects.values(), default=0.0)
    behind = [s.after_messenger.interrupted is True for s in scores if s.after_messenger is not None]
    return Summary(
        interrupted=sum(s.interrupted is True for s in scores),
        architectures=len(effects),
        weakest=min(effects, key=lambda name: effects[name], default=None),
        balance=lowest / highest if highest > 0.0 else None,
        interrupted_after_messenger=sum(behind) if behind else None,
    )


def _surest(faces: Sequence[Face], most: int) -> Sequence[Face]:
    """At most this many of ``faces``, the surest ones; of equally sure ones, the larger."""
    return sorted(faces, key=lambda face: (face.confidence, face.width * face.height), reverse=True)[:most]


def _twin(twin: Target, original: RgbArray, protected: RgbArray, regions: Sequence[Region]) -> TwinScore:
    face = _worst_face(twin, original, protected, regions, keep=False)
    return TwinScore(face.l2_mask, _all_interrupted(face.edits))


def _behind(target: Target, behind: Sent, region: Region) -> MessengerScore:
    face = _score_face(target, behind.original, behind.protected, behind.crop(region), keep=False)
    return MessengerScore(face.l2_mask, _all_interrupted(face.edits))


def _worst_face(
    target: Target, original: RgbArray, protected: RgbArray, regions: Sequence[Region], *, keep: bool
) -> FaceScore:
    """The face with the lowest mean L2mask; one that is not manipulated counts only if none is."""
    faces = (_score_face(target, original, protected, region, keep=keep) for region in regions)
    return min(faces, key=lambda face: math.inf if face.l2_mask is None else face.l2_mask)


@torch.inference_mode()
def _score_face(target: Target, original: RgbArray, protected: RgbArray, region: Region, *, keep: bool) -> FaceScore:
    x, y = (crop_batch(image, region, target.image_size).to(target.device) for image in (original, protected))
    edits, previews = [], []
    for edit, (clean, disturbed) in zip(target.edits, _outputs(target, x, y), strict=True):
        value = float(l2_mask(target.mask_reference(x, edit), clean, disturbed))
        if keep:
            previews.append(Preview(target.name, edit, to_uint8(clean)[0], to_uint8(disturbed)[0]))
        if math.isfinite(value):
            edits.append(EditScore(edit, value, value > SUCCESS_THRESHOLD))
        else:
            edits.append(EditScore(edit, None, None))
    effects = [e.l2_mask for e in edits if e.l2_mask is not None]
    return FaceScore(region, sum(effects) / len(effects) if effects else None, tuple(edits), tuple(previews))


def _outputs(target: Target, x: Tensor, y: Tensor) -> Iterator[tuple[Tensor, ...]]:
    """What every edit makes of two pictures, which go together if they are small."""
    both = torch.cat([x, y])
    if fit(both):
        return (made.chunk(2) for made in target.outputs(both, target.edits))
    return zip(target.outputs(x, target.edits), target.outputs(y, target.edits), strict=True)


def _all_interrupted(edits: Sequence[EditScore]) -> bool | None:
    verdicts = [e.interrupted for e in edits if e.interrupted is not None]
    return all(verdicts) if verdicts else None
