"""Records and stages on a real Redis: nothing is lost, nothing comes back, nothing is done twice."""

from __future__ import annotations

import threading
import time
from functools import partial
from pathlib import Path
from typing import Any, get_args

import pytest
from celery import Celery
from redis.exceptions import ConnectionError as RedisConnectionError

from app.contracts.names import PROTECT, QUEUE_PROTECT, QUEUE_SCORE, SCORE
from app.contracts.records.jobs import CHANGED, Job, JobGone, Jobs, QueueFull, new_job_id
from app.contracts.redis import liveness
from app.contracts.redis.leases import HELD_SECONDS, STRANDED_SECONDS, WAITING_SECONDS
from app.contracts.redis.messages import celery_settings, queue_key
from app.contracts.redis.schedules import SharedSchedule
from app.contracts.storage.blobs import Which, preview_kind
from perturbations import artifact
from perturbations.artifact import Perturbation
from tests.service.conftest import Bench
from worker.library import Library
from worker.queue.duties import repeat
from worker.queue.overdue import OverdueJobs
from worker.queue.stages import Outcome
from worker.queue.sweeper import BLOBS_SECONDS, BLOBS_SHARE, Sweeper


def protect(bench: Bench, job_id: str) -> None:
    bench.stages.protect(job_id, bench.perturbation)


def score(bench: Bench, job_id: str) -> None:
    bench.stages.score(job_id, *(partial(bench.library.targets, twins=twins) for twins in (False, True)))


def sweeper_of(bench: Bench) -> Sweeper:
    return Sweeper(
        bench.jobs,
        OverdueJobs(bench.redis, bench.jobs),
        bench.blobs,
        bench.stages.send,
        SharedSchedule(bench.redis, "blobs", BLOBS_SECONDS),
    )


def make_overdue(bench: Bench) -> None:
    assert bench.jobs.leases.expire_all() > 0


def test_scoring_tells_how_far_it_is(bench: Bench, astronaut_png: bytes, monkeypatch: pytest.MonkeyPatch) -> None:
    result_id, job = bench.accept(astronaut_png)
    protect(bench, job.job_id)
    told: list[tuple[int, int]] = []
    advance = Jobs.advance

    def noting(jobs: Jobs, *arguments: Any, **options: Any) -> Job | None:
        changed = advance(jobs, *arguments, **options)
        if changed is not None and changed.progress.scoring is not None:
            told.append((changed.progress.scoring.done, changed.progress.scoring.total))
        return changed

    monkeypatch.setattr(Jobs, "advance", noting)
    targets = bench.library.targets(twins=False)[:2]
    bench.stages.score(job.job_id, lambda: targets, lambda: ())
    assert told == [(0, 2), (1, 2)]
    found = bench.jobs.find(result_id)
    assert found is not None
    assert (found.progress.scores_status, found.progress.scoring) == ("done", None)


def test_stages_lead_from_queued_to_scored(bench: Bench, astronaut_png: bytes) -> None:
    result_id, job = bench.accept(astronaut_png)
    assert job.progress.status == "queued"
    protect(bench, job.job_id)
    assert bench.job(job.job_id).progress.status == "protected"
    assert bench.sent == [(SCORE, job.job_id)]
    assert bench.kept(job.job_id) == {"original", "protected"}
    score(bench, job.job_id)
    found = bench.jobs.find(result_id)
    assert found is not None
    assert (found.progress.status, found.progress.scores_status) == ("scored", "done")
    targets = bench.library.targets(twins=False)
    assert [s.architecture for s in found.progress.scores] == [t.name for t in targets]
    assert found.previews == tuple((t.name, edit) for t in targets for edit in t.edits)
    pictures = {preview_kind(*name, which) for name in found.previews for which in get_args(Which)}
    assert bench.kept(job.job_id) == {"protected", *pictures}
    assert bench.jobs.leases.expire_all() == 0


def test_a_stage_that_is_over_is_not_run_again(bench: Bench, astronaut_png: bytes) -> None:
    _, job = bench.accept(astronaut_png, scores=False)
    protect(bench, job.job_id)
    before = bench.job(job.job_id)
    protect(bench, job.job_id)
    score(bench, job.job_id)
    assert bench.job(job.job_id) == before
    assert bench.sent == []


def test_every_attempt_says_how_it_came_out(bench: Bench, astronaut_png: bytes) -> None:
    def fails(_: str | None) -> Perturbation:
        raise MemoryError

    def has_no_disk(_: str | None) -> Perturbation:
        raise OSError

    _, job = bench.accept(astronaut_png, scores=False)
    ways = (has_no_disk, fails, fails, bench.perturbation, bench.perturbation)
    outcomes = [bench.stages.protect(job.job_id, way) for way in ways]
    assert outcomes == ["put_off", "sent_again", "sent_again", "done", "not_due"]
    bench.jobs.delete(bench.job(job.job_id))
    assert bench.stages.protect(job.job_id, bench.perturbation) is Outcome.JOB_GONE
    _, other = bench.accept(astronaut_png)
    outcomes = [bench.stages.protect(other.job_id, fails) for _ in range(bench.settings.max_attempts + 1)]
    assert outcomes == [*["sent_again"] * (bench.settings.max_attempts - 1), "given_up", "not_due"]
    _, photo = bench.accept(b"no photo")
    assert bench.stages.protect(photo.job_id, bench.perturbation) is Outcome.GIVEN_UP
    assert bench.stages.score(photo.job_id, list, list) is Outcome.NOT_DUE


def test_a_change_that_is_not_due_is_not_made(bench: Bench, astronaut_png: bytes) -> None:
    _, job = bench.accept(astronaut_png)
    before = bench.job(job.job_id)
    assert bench.jobs.advance(job.job_id, "score", lambda _: pytest.fail("it is not due")) is None
    assert bench.job(job.job_id) == before
    advanced = bench.jobs.advance(job.job_id, "protect", lambda _: None)
    assert advanced is not None
    assert advanced.revision == before.revision + 1
    with pytest.raises(JobGone):
        bench.jobs.advance(new_job_id(), "protect", lambda _: None)


def test_late_worker_cannot_bring_a_deleted_job_back(bench: Bench, astronaut_png: bytes) -> None:
    result_id, job = bench.accept(astronaut_png)

    def deleted_meanwhile(version: str | None) -> Perturbation:
        bench.jobs.delete(bench.job(job.job_id))
        return bench.perturbation(version)

    bench.stages.protect(job.job_id, deleted_meanwhile)
    assert bench.jobs.find(result_id) is None
    assert bench.jobs.get(job.job_id) is None
    assert bench.kept(job.job_id) == set()
    assert bench.redis.keys("poise:job:*") == bench.redis.keys("poise:result:*") == []
    with pytest.raises(JobGone):
        bench.jobs.update(job.job_id, lambda _: None)


def test_a_job_that_brings_workers_down_is_given_up(bench: Bench, astronaut_png: bytes) -> None:
    _, job = bench.accept(astronaut_png)

    def dies(_: str | None) -> object:
        raise MemoryError

    for attempt in range(1, bench.settings.max_attempts + 1):
        bench.stages.protect(job.job_id, dies)  # type: ignore[arg-type]
        assert bench.job(job.job_id).attempts["protect"] == attempt
    ended = bench.job(job.job_id)
    assert ended.progress.status == "failed"
    assert ended.progress.error is not None
    assert ended.progress.error.status == 500
    assert bench.sent == [(PROTECT, job.job_id)] * (bench.settings.max_attempts - 1)
    assert bench.kept(job.job_id) == set()
    assert bench.jobs.leases.expire_all() == 0


def test_attempts_count_even_where_the_process_is_killed(bench: Bench, astronaut_png: bytes) -> None:
    _, job = bench.accept(astronaut_png)

    def killed(_: str | None) -> object:
        raise SystemExit  # as abrupt as a test can be: nothing after it runs

    for _ in range(bench.settings.max_attempts):
        with pytest.raises(SystemExit):
            bench.stages.protect(job.job_id, killed)  # type: ignore[arg-type]
    protect(bench, job.job_id)
    assert bench.job(job.job_id).progress.status == "failed"
    assert bench.kept(job.job_id) == set()


def test_failing_scores_never_fail_the_job(bench: Bench, astronaut_png: bytes) -> None:
    result_id, job = bench.accept(astronaut_png)
    protect(bench, job.job_id)

    def unavailable() -> list[object]:
        raise RuntimeError("a surrogate cannot be used")

    for _ in range(bench.settings.max_attempts):
        bench.stages.score(job.job_id, unavailable, unavailable)  # type: ignore[arg-type]
    found = bench.jobs.find(result_id)
    assert found is not None
    assert (found.progress.status, found.progress.scores_status) == ("protected", "failed")
    assert found.progress.error is None
    assert bench.kept(job.job_id) == {"protected"}


def test_a_copy_that_was_lost_is_not_tried_again_and_again(bench: Bench, astronaut_png: bytes) -> None:
    _, job = bench.accept(astronaut_png)
    protect(bench, job.job_id)
    bench.sent.clear()
    bench.blobs.erase(job.job_id, "protected")
    score(bench, job.job_id)
    assert bench.job(job.job_id).progress.scores_status == "failed"
    assert bench.sent == []


def test_duties_outlive_whatever_goes_wrong(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(liveness, "BEAT_SECONDS", 0.01)
    over = threading.Event()
    errors = [ValueError("a record nobody can read"), RedisConnectionError(), OSError(), None]

    def once() -> None:
        error = errors.pop(0)
        if error is not None:
            raise error
        over.set()

    repeat(once, over)
    assert errors == []


def test_lost_messages_are_sent_again_once(bench: Bench, astronaut_png: bytes) -> None:
    sweeper = sweeper_of(bench)
    _, waiting = bench.accept(astronaut_png)
    _, protected = bench.accept(astronaut_png)
    _, over = bench.accept(astronaut_png, scores=False)
    protect(bench, protected.job_id)
    protect(bench, over.job_id)
    bench.sent.clear()
    assert sweeper.resend() == 0
    make_overdue(bench)
    assert sweeper.resend() == 2
    assert set(bench.sent) == {(PROTECT, waiting.job_id), (SCORE, protected.job_id)}
    assert sweeper.resend() == 0


def test_a_job_that_is_worked_on_keeps_its_lease(bench: Bench, astronaut_png: bytes) -> None:
    _, job = bench.accept(astronaut_png)
    with bench.stages.current.on(job.job_id):
        make_overdue(bench)
        bench.stages.current.renew(bench.jobs.leases)
        assert OverdueJobs(bench.redis, bench.jobs).take() == []
        lease = bench.redis.zscore("poise:open", job.job_id)
        assert lease is not None
        assert 0 < lease - time.time() <= HELD_SECONDS
    make_overdue(bench)
    bench.stages.current.renew(bench.jobs.leases)
    assert [late.job_id for late in OverdueJobs(bench.redis, bench.jobs).take()] == [job.job_id]


def test_jobs_that_wait_are_sent_again_once_redis_was_restarted(bench: Bench, astronaut_png: bytes) -> None:
    sweeper = sweeper_of(bench)
    _, waiting = bench.accept(astronaut_png)
    _, held = bench.accept(astronaut_png)
    bench.jobs.update(held.job_id, lambda _: None, held=True)
    sweeper.sweep_if_due(0.0)
    sweeper.sweep_if_due(1.0)
    assert bench.sent == []
    bench.redis.set("poise:redis:run", "the process before")
    sweeper.sweep_if_due(2.0)
    sweeper.sweep_if_due(3.0)
    assert bench.sent == [(PROTECT, waiting.job_id)]


def test_a_message_that_outlived_the_restart_is_not_sent_a_second_time(bench: Bench, astronaut_png: bytes) -> None:
    sweeper = sweeper_of(bench)
    queues = Celery()
    queues.conf.update(celery_settings(bench.settings))
    _, kept = bench.accept(astronaut_png)
    _, lost = bench.accept(astronaut_png)
    queues.send_task(PROTECT, (kept.job_id,))
    bench.redis.lpush(queue_key(QUEUE_PROTECT), "not a message of Celery's", '{"body": "x"}')
    sweeper.sweep_if_due(0.0)
    for restart in ("the process before", "another one"):
        bench.redis.set("poise:redis:run", restart)
        sweeper.sweep_if_due(1.0)
    assert bench.sent == [(PROTECT, lost.job_id)] * 2
    queues.close()


def test_queues_hold_no_more_messages_than_jobs_wait(bench: Bench, astronaut_png: bytes) -> None:
    sweeper = sweeper_of(bench)
    queue = queue_key(QUEUE_PROTECT)
    waiting = [bench.accept(astronaut_png)[1].job_id for _ in range(6)]

    def leases_end() -> None:
        for job_id in waiting:
            bench.redis.zincrby("poise:open", -WAITING_SECONDS - 1, job_id)

    bench.redis.lpush(queue, *waiting)
    leases_end()
    assert sweeper.resend() == 0, "nobody takes them, but they are there"
    assert bench.redis.zcount("poise:open", time.time(), "+inf") == len(waiting), "looked at again only later"
    # one message lost, and another one: that of a job whose worker was killed
    bench.redis.lrem(queue, 1, waiting[0])
    bench.redis.lrem(queue, 1, waiting[1])
    leases_end()
    younger = [bench.accept(astronaut_png)[1].job_id for _ in range(3)]
    bench.redis.lpush(queue, *younger)
    assert sweeper.resend() == 2, "the messages of others that wait do not stand for it"
    assert bench.sent == [(PROTECT, waiting[0]), (PROTECT, waiting[1])]


def test_a_queue_that_is_full_hides_no_loss_in_another(bench: Bench, astronaut_png: bytes) -> None:
    sweeper = sweeper_of(bench)
    _, job = bench.accept(astronaut_png)
    bench.redis.lpush(queue_key(QUEUE_SCORE), *"abc")
    bench.redis.zincrby("poise:open", -WAITING_SECONDS - 1, job.job_id)
    assert sweeper.resend() == 1
    assert bench.sent == [(PROTECT, job.job_id)]


def test_a_job_whose_message_is_nowhere_is_sent_again(bench: Bench, astronaut_png: bytes) -> None:
    sweeper = sweeper_of(bench)
    _, stranded = bench.accept(astronaut_png)
    _, fresh = bench.accept(astronaut_png)
    _, held = bench.accept(astronaut_png)
    bench.jobs.update(held.job_id, lambda _: None, held=True)
    bench.redis.zincrby("poise:open", -STRANDED_SECONDS, stranded.job_id)
    bench.redis.lpush(queue_key(QUEUE_PROTECT), "a message")
    assert sweeper.resend() == 0
    bench.redis.delete(queue_key(QUEUE_PROTECT))
    assert sweeper.resend() == 1
    assert bench.sent == [(PROTECT, stranded.job_id)]
    assert bench.jobs.get(fresh.job_id) is not None
    assert sweeper.resend() == 0


def test_orphans_are_erased_and_others_are_not(bench: Bench, astronaut_png: bytes) -> None:
    sweeper = sweeper_of(bench)
    _, job = bench.accept(astronaut_png)
    orphan = new_job_id()
    bench.blobs.write(orphan, "protected", astronaut_png)
    assert sweeper.remove_orphans(older_than=60) == 0
    assert sweeper.remove_orphans(older_than=0) == 1
    assert bench.kept(orphan) == set()
    assert bench.kept(job.job_id) == {"original"}


def test_looks_that_last_long_are_rare(bench: Bench, monkeypatch: pytest.MonkeyPatch) -> None:
    def look(self: Sweeper, *, older_than: float) -> int:
        del self, older_than
        time.sleep(0.2)
        return 0

    monkeypatch.setattr(Sweeper, "remove_orphans", look)
    sweeper = sweeper_of(bench)
    sweeper.blobs_schedule.seconds = 1.0
    sweeper.sweep_if_due(0.0)
    assert bench.redis.pttl("poise:turn:blobs") > 1000 * 0.9 * 0.2 / BLOBS_SHARE
    sweeper.blobs_schedule.seconds = BLOBS_SECONDS
    bench.redis.delete("poise:turn:blobs")
    sweeper.sweep_if_due(BLOBS_SECONDS)
    assert bench.redis.pttl("poise:turn:blobs") <= 1000 * BLOBS_SECONDS, "short ones are not"


def test_many_jobs_are_told_apart(bench: Bench, astronaut_png: bytes) -> None:
    there = [bench.accept(astronaut_png)[1].job_id for _ in range(3)]
    gone = [new_job_id() for _ in range(2000)]
    assert bench.jobs.gone([*gone[:999], *there, *gone[999:]]) == gone
    assert bench.jobs.gone([]) == []


def test_full_queue_refuses(bench: Bench, astronaut_png: bytes) -> None:
    for _ in range(bench.settings.max_open_jobs):
        bench.accept(astronaut_png[:10])
    with pytest.raises(QueueFull):
        bench.accept(astronaut_png)


def test_concurrent_changes_are_all_kept(bench: Bench, astronaut_png: bytes) -> None:
    _, job = bench.accept(astronaut_png)

    def count(job: Job) -> None:
        job.attempts["protect"] = job.attempts.get("protect", 0) + 1

    threads = [
        threading.Thread(target=lambda: [bench.jobs.update(job.job_id, count) for _ in range(25)]) for _ in range(4)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert bench.job(job.job_id).attempts["protect"] == 100


def test_result_ids_are_stored_as_hashes_only(bench: Bench, astronaut_png: bytes) -> None:
    result_id, _ = bench.accept(astronaut_png)
    for key in bench.redis.keys("poise:*"):
        assert result_id.encode() not in key
        if bench.redis.type(key) == b"string":
            assert result_id.encode() not in (bench.redis.get(key) or b"")


def test_records_expire(bench: Bench, astronaut_png: bytes) -> None:
    _, job = bench.accept(astronaut_png)
    bench.jobs.update(job.job_id, lambda _: None)
    for key in (f"poise:job:{job.job_id}", job.result_key):
        assert 0 < bench.redis.ttl(key) <= bench.settings.retention_seconds


def test_changes_are_counted_and_announced(bench: Bench, astronaut_png: bytes) -> None:
    _, job = bench.accept(astronaut_png)
    with bench.redis.pubsub(ignore_subscribe_messages=True) as heard:
        heard.subscribe(CHANGED)
        heard.get_message(timeout=5)
        bench.jobs.update(job.job_id, lambda _: None)
        with pytest.raises(JobGone):
            bench.jobs.update(new_job_id(), lambda _: None)
        bench.jobs.delete(bench.job(job.job_id))
        messages = [heard.get_message(timeout=5), heard.get_message(timeout=5), heard.get_message(timeout=0.2)]
    assert [m and m["data"] for m in messages] == [job.job_id.encode()] * 2 + [None]


def test_previews_are_kept_only_if_wanted(bench: Bench, astronaut_png: bytes) -> None:
    _, job = bench.accept(astronaut_png, previews=False)
    protect(bench, job.job_id)
    score(bench, job.job_id)
    assert bench.job(job.job_id).progress.status == "scored"
    assert bench.job(job.job_id).previews == ()
    assert bench.kept(job.job_id) == {"protected"}


def test_versions_that_photos_may_carry_are_loaded_once(
    bench: Bench, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    shipped = bench.perturbation()
    other = artifact.save(tmp_path / "other", shipped.delta / 2, epsilon=0.05, weighting="uniform", sidecar={})
    bench.versions.add(tmp_path / "other", origin="imported")
    bench.versions.activate(other.version, reason="a test")
    loaded: list[str] = []
    load = Library._load

    def counted(library: Library, name: str) -> Perturbation:
        loaded.append(name)
        return load(library, name)

    monkeypatch.setattr(Library, "_load", counted)
    for _ in range(3):
        for name, before in ((other.version, shipped.version), (shipped.version, other.version)):
            bench.library.perturbation(name)
            assert [one.version for one in bench.library.others(name)] == [before]
    assert loaded == [other.version]
