"""A whole training: every target alone, all targets together, and the measured artifact.

Everything is kept in one folder: a run that was killed continues from its last checkpoint.
"""

from __future__ import annotations

import json
import time
from bisect import bisect_left
from collections import deque
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from functools import cached_property
from pathlib import Path
from typing import Any, Final

import numpy as np
import torch

from perturbations import __version__
from perturbations.artifact import Perturbation, save, version_of
from perturbations.data.framed import Faces, Framed
from perturbations.effect import SUCCESS_THRESHOLD
from perturbations.errors import BadInput
from perturbations.evaluation import evaluate
from perturbations.files import replacing
from perturbations.images import RgbArray
from perturbations.targets.interface import Target
from perturbations.training.config import SIDE, TrainingConfig
from perturbations.training.figures import figures
from perturbations.training.loop import StepReport, Training

HELD_OUT: Final = 64
"""Faces, disjoint from those δ is trained on, that effects in the artifact are measured on."""
LARGER: Final = (1.5, 2.0, 3.0, 4.0)
"""Multiples of epsilon tried for a target that resists."""
CHECKPOINT: Final = "training.pt"
CHECKPOINT_EVERY: Final = 25
CURVE_POINTS: Final = 200
TOGETHER: Final = "together"
"""The name of the stage in which δ is trained against all targets."""
_FORMER: Final = {"starts": 1, "warm_up": 0.0}
"""Options of earlier versions, at the values that change nothing: a run that has these goes on."""


@dataclass(frozen=True, slots=True)
class Stage:
    """What a run is doing: ``alone-…`` (a target on its own, named) or ``together``, with the step's report.

    ahead: steps of the stages that are known to follow.
    """

    name: str
    target: str | None
    report: StepReport
    ahead: int


class TrainingRun:
    """One training in one folder.

    Args:
        hashes: SHA-256 of the targets' checkpoints by name, for the sidecar.
        start: a warm start, δ of another version, ``[1, 3, 256, 256]``, brought within the bound; random if left out.
        members: further networks of a target by its name; a step uses one of them.
        on_step, on_face: called after every step, and with how many faces of how many have been read.
        known: sidecars of earlier versions. The attainable effect one of them gives for the same checkpoint and ε is
            used, instead of training that target alone once more; the first one counts.

    Faces are read when :meth:`run` begins.

    Raises:
        BadInput: the folder holds a run with another configuration or other targets.
    """

    def __init__(
        self,
        config: TrainingConfig,
        *,
        targets: Sequence[Target],
        twins: Sequence[Target],
        faces: Faces,
        folder: Path,
        hashes: Mapping[str, str],
        device: torch.device | None = None,
        start: torch.Tensor | None = None,
        known: Sequence[Mapping[str, Any]] = (),
        members: Mapping[str, Sequence[Target]] | None = None,
        on_step: Callable[[Stage], None] | None = None,
        on_face: Callable[[int, int], None] | None = None,
    ) -> None:
        self.config = config
        self.targets = tuple(targets)
        self.twins = tuple(twins)
        self.folder = folder
        self.device = device or torch.device("cpu")
        self.start = start
        self.known = tuple(known)
        self.members = {name: tuple(networks) for name, networks in (members or {}).items()}
        self.identity: dict[str, Any] = {
            "config": json.loads(json.dumps(asdict(config))),
            "targets": {target.name: hashes.get(target.name) for target in targets},
            "faces": len(faces),
        }
        if start is not None:
            self.identity["start"] = version_of(start, weighting="start")
        folder.mkdir(parents=True, exist_ok=True)
        self._claim()
        self._on_step, self._on_face = on_step or _unheard, on_face
        self._archive = faces
        self._watch = _Stopwatch(folder / "seconds.json")

    def _claim(self) -> None:
        path = self.folder / "run.json"
        if path.exists():
            found = json.loads(path.read_text())
            if "start" in found:
                found["config"].pop("starts", None)  # a warm start was the only one
            found["config"] = {name: v for name, v in found["config"].items() if (name, v) not in _FORMER.items()}
            if found != self.identity:
                raise BadInput(f"{self.folder} holds another training; choose an empty folder")
            return
        _write(path, json.dumps(self.identity, indent=1))

    @cached_property
    def _faces(self) -> tuple[list[Framed], RgbArray]:
        """Faces to measure on, and disjoint ones to train on, read once."""
        chips: list[RgbArray] = []
        last: deque[Framed] = deque()  # photos may be large: only the last ones are kept whole
        for framed in self._archive.readable(self.config.images + HELD_OUT, progress=self._on_face):
            last.append(framed)
            if len(last) > HELD_OUT:
                chips.append(last.popleft().chip(SIDE))
        while len(last) > (len(chips) + len(last)) // 3:
            chips.append(last.popleft().chip(SIDE))
        return list(last), np.stack(chips)

    @property
    def held_out(self) -> list[Framed]:
        """The faces effects are measured on."""
        return self._faces[0]

    @property
    def chips(self) -> RgbArray:
        """The faces δ is trained on, ``[N, 256, 256, 3]``."""
        return self._faces[1]

    def run(self) -> Perturbation:
        """Train to the end, resuming the run in the folder if any, and write the artifact.

        A finished training is not repeated: it is measured anew, on the targets and twins as they are now.

        Raises:
            BadFaces: too few readable faces.
        """
        attainable = {t.name: self._alone(t, self.config) for t in self.targets}
        breaks_at = {t.name: self._breaks_at(t, attainable[t.name]) for t in self.targets}
        training, curve = self._train(TOGETHER, self.targets, self.config, attainable=attainable, start=self.start)
        sidecar: dict[str, Any] = {
            "code": __version__,
            "config": self.identity["config"],
            "targets": self.identity["targets"],
            "faces": {
                "archive": self.identity["faces"],
                "trained_on": len(self.chips),
                "measured_on": len(self.held_out),
            },
            "attainable": attainable,
            "breaks_at": breaks_at,
            "weights": curve[-1]["weights"] if curve else {},
            "seconds": round(self._watch.seconds, 1),
            "curve": curve,
        }
        draft = self._measured(training.delta, self.config, sidecar)
        sidecar |= figures(self.held_out, draft, self.targets, twins=self.twins)
        return save(
            self.folder,
            training.delta,
            epsilon=self.config.epsilon,
            weighting=self.config.weighting,
            sidecar=sidecar,
        )

    def _measured(self, delta: torch.Tensor, config: TrainingConfig, sidecar: Mapping[str, Any]) -> Perturbation:
        version = version_of(delta, weighting=config.weighting)
        return Perturbation(version, delta.detach().cpu(), config.epsilon, sidecar)

    def _alone(self, target: Target, config: TrainingConfig) -> float:
        """Attainable effect: mean L2mask on held-out faces of a δ trained for this target only, as many steps."""
        for sidecar in self._known_of(target, config):
            return float(sidecar["attainable"][target.name])
        cache = self.folder / f"alone-{target.name}-{config.epsilon:g}.json"
        if cache.exists():
            return float(json.loads(cache.read_text())["l2_mask"])
        # attainable is the largest mean effect within ε: none is given up for hard faces or edits, or for visibility
        alone = replace(
            config, weighting="uniform", weighting_options=(), saturation=None, edit_temperature=None, rms=None
        )
        training, _ = self._train(f"alone-{target.name}-{config.epsilon:g}", [target], alone)
        result = evaluate(self.held_out, self._measured(training.delta, alone, {}), [target])
        l2_mask = result.transforms["none"][target.name].effect.l2_mask
        _write(cache, json.dumps({"l2_mask": l2_mask}))
        (self.folder / f"alone-{target.name}-{config.epsilon:g}-{CHECKPOINT}").unlink(missing_ok=True)
        return l2_mask

    def _known_of(self, target: Target, config: TrainingConfig) -> Iterator[Mapping[str, Any]]:
        """Sidecars that give the attainable effect of exactly this checkpoint at this ε."""
        digest = self.identity["targets"][target.name]
        for sidecar in self.known:
            same = digest is not None and sidecar.get("targets", {}).get(target.name) == digest
            if same and sidecar.get("epsilon") == config.epsilon and target.name in sidecar.get("attainable", {}):
                yield sidecar

    def _breaks_at(self, target: Target, attainable: float) -> float | None:
        """The smallest tried epsilon that interrupts a target; ``None`` if even the largest does not."""
        if attainable > SUCCESS_THRESHOLD:
            return self.config.epsilon
        for sidecar in self._known_of(target, self.config):
            found: float | None = sidecar.get("breaks_at", {}).get(target.name)
            return found

        def breaks(factor: float) -> bool:
            larger = replace(self.config, epsilon=self.config.epsilon * factor)
            return self._alone(target, larger) > SUCCESS_THRESHOLD

        # the effect grows with epsilon, so halving the list finds the first
        first = bisect_left(LARGER, True, key=breaks)
        return round(self.config.epsilon * LARGER[first], 6) if first < len(LARGER) else None

    def _train(
        self,
        name: str,
        targets: Sequence[Target],
        config: TrainingConfig,
        *,
        attainable: Mapping[str, float] | None = None,
        start: torch.Tensor | None = None,
    ) -> tuple[Training, list[dict[str, Any]]]:
        path = self.folder / f"{name}-{CHECKPOINT}"
        training = Training(
            targets, self.chips, config, device=self.device, attainable=attainable, members=self.members, start=start
        )
        curve: list[dict[str, Any]] = []
        if path.exists():
            saved = torch.load(path, map_location="cpu", weights_only=True)
            training.load_state_dict(saved["training"])
            curve = saved["curve"]
        every = max(1, config.steps // CURVE_POINTS)
        ahead = 0 if name == TOGETHER else self.config.steps
        for report in training:
            if report.step % every == 0 or report.step == config.steps:
                curve.append(_rounded(report))
            if report.step % CHECKPOINT_EVERY == 0 or report.step == config.steps:
                with replacing(path) as partial:
                    torch.save({"training": training.state_dict(), "curve": curve}, partial)
                self._watch.save()
            self._on_step(Stage(name, targets[0].name if len(targets) == 1 else None, report, ahead))
        return training, curve


class _Stopwatch:
    """Counts the seconds of a run, also those of its processes that were killed, as far as they were saved."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self._before = float(json.loads(path.read_text())) if path.exists() else 0.0
        self._began = time.perf_counter()

    @property
    def seconds(self) -> float:
        return self._before + time.perf_counter() - self._began

    def save(self) -> None:
        _write(self.path, json.dumps(self.seconds))


def _unheard(stage: Stage) -> None:
    del stage


def _rounded(report: StepReport) -> dict[str, Any]:
    def short(values: Mapping[str, float | None]) -> dict[str, float | None]:
        return {k: None if v is None else float(f"{v:.4g}") for k, v in values.items()}

    return {
        "step": report.step,
        "losses": short(report.losses),
        "weights": short(report.weights),
        "effect": short(report.effect),
    }


def _write(path: Path, text: str) -> None:
    with replacing(path) as partial:
        partial.write_text(text)
