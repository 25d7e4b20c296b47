"""Works on trainings, one after the other: claim, train with checkpoints, compare, then activate or reject.

A training's files stay in its own folder until it has ended. A trainer that is killed leaves its record running and its
lease to run out. The next trainer to claim it resumes from the last checkpoint.
"""

from __future__ import annotations

import logging
import math
import secrets
import shutil
import time
from collections.abc import Callable, Mapping
from contextlib import suppress
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Final

from redis import RedisError

from app.contracts.logs import event
from app.contracts.problems import ProblemDocument, Unprocessable
from app.contracts.records.curves import Point, is_kept
from app.contracts.records.datasets import SYNTHETIC, Datasets, NoSuchDataset
from app.contracts.records.trainings import Request, Training, TrainingGone, Trainings, end, put_off, set_back
from app.contracts.records.versions import NoSuchVersion, Versions
from perturbations.artifact import Perturbation
from perturbations.data import FaceArchive, open_faces
from perturbations.data.framed import FramedFaces
from perturbations.data.split import split
from perturbations.data.synthetic import synthetic_faces
from perturbations.errors import BadInput, BadPlugin
from perturbations.faces import Locate, locate
from perturbations.precision import fastest_device
from perturbations.training import TrainingConfig, preset
from perturbations.training.run import Stage, TrainingRun
from worker.explanations import sentence
from worker.library import Library
from worker.queue.activity import TrainingLease
from worker.training import promotion

_log = logging.getLogger(__name__)

_REDIS_AWAY_SECONDS: Final = 120.0
"""How long the end of a training waits for Redis to come back."""


class _Cancelled(Exception):
    """The training was cancelled or deleted."""


class _Interrupted(Exception):
    """This process has to stop; another one continues later."""


class _LeaseLost(Exception):
    """Another trainer has taken the training over, and may have finished it."""


def configured(wanted: Request) -> TrainingConfig:
    """The hyper-parameters of what was asked for.

    Raises:
        BadInput: a number is out of range.
    """
    try:
        return preset(
            wanted.preset,
            weighting=wanted.weighting,
            epsilon=wanted.epsilon,
            seed=wanted.seed,
            steps=wanted.steps,
        )
    except ValueError as error:
        raise BadInput(str(error)) from error


@dataclass(frozen=True, slots=True)
class Trainer:
    """Works on trainings.

    folder: a sub-folder for each training. lease: renewed meanwhile by a background thread.
    stopping: whether this process is to end soon. configure: hyper-parameters of a request.
    locator: finds the faces of photos.
    """

    trainings: Trainings
    versions: Versions
    datasets: Datasets
    library: Library
    folder: Path
    lease: TrainingLease
    stopping: Callable[[], bool]
    configure: Callable[[Request], TrainingConfig] = configured
    locator: Locate = locate

    def work(self) -> int:
        """Work on open trainings, the oldest first, until none is left or files fail. Returns their number.

        The sweeper calls again for those that are left.
        """
        done = 0
        token = secrets.token_hex(16)
        goes_on = True
        while goes_on and not self.stopping() and (training := self.trainings.claim(token)) is not None:
            with self.lease.on(token):
                goes_on = self._work_on(training)
            self.trainings.release(token)
            done += 1
        return done

    def _work_on(self, training: Training) -> bool:
        """Bring one training to an end, or leave it to the next attempt. Returns whether to try another at once."""
        event(_log, "training.started", training=training.id, step=training.step, device=fastest_device().type)
        try:
            self._tidy()
            self._finish(training, *self._trained(training))
        except _Cancelled:
            self._end(training, lambda record: end(record, "cancelled"))
        except _Interrupted:
            self.trainings.update(training.id, set_back)
            event(_log, "training.interrupted", training=training.id)
        except _LeaseLost:
            event(_log, "training.lease_lost", level=logging.WARNING, training=training.id)
        except (BadInput, BadPlugin, NoSuchVersion, NoSuchDataset) as error:
            problem = _explained(error)
            self._end(training, lambda record: end(record, "failed", error=problem))
        except RedisError:
            raise
        except OSError:
            _log.exception("training.put_off training=%s", training.id)
            self._put_off(training)
            return False
        except Exception:  # noqa: BLE001 - counted as a crash by the next claim, and given up after a few
            _log.exception("training.crashed training=%s", training.id)
        return True

    def _trained(self, training: Training) -> tuple[Perturbation, promotion.Comparison | None]:
        """The finished perturbation beside the active one; ``None`` if no version is active to compare with."""
        wanted = training.request
        folder = self.folder / training.id
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        targets, twins, hashes = self.library.chosen(wanted.targets or ())
        to_train_on, held_out = split(self._faces(wanted, folder), most=promotion.FACES)
        start = None if wanted.warm_start is None else self.library.perturbation(wanted.warm_start).delta
        run = TrainingRun(
            self.configure(wanted),
            targets=targets,
            twins=twins,
            faces=FramedFaces(to_train_on, seed=wanted.seed, locator=self.locator),
            folder=folder / "run",
            hashes=hashes,
            device=fastest_device(),
            start=start,
            known=[version.model_dump() for version in self.versions.all()],
            on_step=lambda stage: self._stepped(training, stage),
            on_face=lambda done, total: self._read(training, done, total),
        )
        made = run.run()
        self._report(training, lambda record: _record_measured(record, made))
        active = self.versions.announced()
        if active is None:
            return made, None
        against = self.library.perturbation(active)
        faces = FramedFaces(held_out, locator=self.locator).take(promotion.FACES)
        return made, promotion.compare(made, against, targets=targets, twins=twins, faces=faces)

    def _finish(self, training: Training, made: Perturbation, comparison: promotion.Comparison | None) -> None:
        """Keep the version, activate it if it is good enough, and record the end."""
        refused = None if comparison is None else comparison.refused
        self._report(training, _nothing)  # the last moment at which it can be cancelled
        wanted = training.request
        folder = self.folder / training.id / "run"
        self.versions.add(folder, origin="trained", training=training.id, warm_start=wanted.warm_start)
        if refused is None and wanted.activate:
            self.versions.activate(made.version, reason=f"training {training.id}")

        def change(record: Training) -> None:
            record.perturbation = made.version
            record.comparison = None if comparison is None else dict(comparison.document)
            rejected = None if refused is None else _rejection(refused)
            end(record, "succeeded" if refused is None else "rejected", error=rejected)

        self._end(training, change)

    def _faces(self, wanted: Request, folder: Path) -> FaceArchive:
        """The faces of a training, copied beside its checkpoints first."""
        if wanted.dataset is None or wanted.dataset == SYNTHETIC:
            return open_faces([synthetic_faces()])
        path = folder / "faces.zip"
        if not path.exists():
            self.datasets.fetch(wanted.dataset, path)
        return open_faces([path])

    def _read(self, training: Training, done: int, total: int) -> None:
        """Report that faces are read."""
        self._report(training, _reading if done in (1, total) else _nothing)

    def _stepped(self, training: Training, stage: Stage) -> None:
        """Report a step, and add it to the curve."""
        record = self._report(training, lambda record: _record_step(record, stage))
        if record is None or not is_kept(stage.name, stage.report.step, stage.report.steps):
            return
        try:
            self.trainings.add_point(training.id, _point(record, stage))
        except RedisError as error:
            event(_log, "training.point_lost", level=logging.WARNING, error=type(error).__name__)

    def _report(self, training: Training, change: Callable[[Training], None]) -> Training | None:
        """Apply ``change`` to the record, and stop if asked to. Returns it, unless Redis is away for a while."""
        if self.lease.lost:
            raise _LeaseLost
        if self.stopping():
            raise _Interrupted

        def unless_cancelled(record: Training) -> None:
            if not record.cancelling:
                change(record)

        try:
            record = self.trainings.update_open(training.id, unless_cancelled)
        except TrainingGone:
            raise _Cancelled from None
        except RedisError as error:
            event(_log, "training.not_reported", level=logging.WARNING, error=type(error).__name__)
            return None
        if record is None:
            raise _LeaseLost
        if record.cancelling:
            raise _Cancelled
        return record

    def _end(self, training: Training, change: Callable[[Training], None]) -> None:
        """Record the end of a training and remove its files; Redis gets some time to come back."""
        give_up = time.monotonic() + _REDIS_AWAY_SECONDS
        while True:
            try:
                ended = self.trainings.update_open(training.id, change)
            except TrainingGone:
                break
            except RedisError:
                if time.monotonic() > give_up:
                    raise
                time.sleep(1.0)
                continue
            if ended is None:  # by another trainer
                event(_log, "training.lease_lost", level=logging.WARNING, training=training.id)
            else:
                event(_log, "training.ended", training=training.id, status=ended.status, version=ended.perturbation)
            break
        shutil.rmtree(self.folder / training.id, ignore_errors=True)

    def _put_off(self, training: Training) -> None:
        """Leave a training whose files failed to a later call, or give it up."""
        if self.lease.lost:
            return
        record = self.trainings.update(training.id, put_off)
        if record.ended:
            event(_log, "training.ended", training=training.id, status=record.status, version=record.perturbation)
            shutil.rmtree(self.folder / training.id, ignore_errors=True)

    def _tidy(self) -> None:
        """Remove the files of trainings that have ended without their trainer."""
        with suppress(FileNotFoundError):
            for folder in self.folder.iterdir():
                record = self.trainings.get(folder.name)
                if record is None or record.ended:
                    shutil.rmtree(folder, ignore_errors=True)


def _reading(record: Training) -> None:
    record.stage = "reading"


def _nothing(record: Training) -> None:
    del record


def _record_step(record: Training, stage: Stage) -> None:
    """Progress over all stages. A resumed stage falls back to its last checkpoint; finished ones stay counted."""
    report = stage.report
    record.stage = stage.name
    record.done[stage.name] = report.step
    record.step = sum(record.done.values())
    record.steps = max(record.steps, record.step - report.step + report.steps + stage.ahead)
    # JSON has no NaN or infinity
    record.losses = {name: value for name, value in report.losses.items() if math.isfinite(value)}
    record.weights = {name: value for name, value in report.weights.items() if math.isfinite(value)}
    record.effect = report.effect


def _point(record: Training, stage: Stage) -> Point:
    def short(values: Mapping[str, float]) -> dict[str, float]:
        return {name: float(f"{value:.4g}") for name, value in values.items()}

    effect: dict[str, float | None] = dict.fromkeys(record.effect)
    effect |= short({name: value for name, value in record.effect.items() if value is not None})
    return Point(
        step=record.step,
        stage=stage.name,
        at=datetime.now(UTC),
        losses=short(record.losses),
        weights=short(record.weights),
        effect=effect,
    )


def _record_measured(record: Training, made: Perturbation) -> None:
    record.stage = "comparing"
    record.perturbation = made.version
    record.step = record.steps
    record.effect = {name: row["l2_mask"] for name, row in made.sidecar["effect"]["architectures"].items()}


def _rejection(reason: str) -> ProblemDocument:
    return Unprocessable("The perturbation was trained but not activated. " + reason).document()


def _explained(error: Exception) -> ProblemDocument:
    if isinstance(error, NoSuchVersion):
        return Unprocessable("The version to start from no longer exists.").document()
    if isinstance(error, NoSuchDataset):
        return Unprocessable("The dataset no longer exists. Upload it again.").document()
    return Unprocessable(sentence(error)).document()
