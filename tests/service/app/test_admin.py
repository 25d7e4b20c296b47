"""The administrators' routes, up to the queues: keys, what can be asked for, uploads."""

from __future__ import annotations

import asyncio
import hashlib
import json
import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
from fastapi.testclient import TestClient

from app.contracts.records import catalogue
from app.contracts.records.datasets import SYNTHETIC, Dataset, DatasetExists, Datasets
from app.contracts.records.generator_store import Generators
from app.contracts.records.generators import Generator, GeneratorExists
from app.contracts.records.trainings import Request, Training, Trainings, end
from app.contracts.records.versions import Versions
from app.contracts.storage import storage_of
from app.main import create_app
from app.routes.admin import trainings
from perturbations import artifact
from tests.service.conftest import Bench
from tests.service.helpers import admin_uploads, building
from worker.shipped import ship

KEY, NEXT = "a-key-that-nobody-guesses", "the-one-that-comes-after"
Client = Callable[..., TestClient]


@pytest.fixture
def client(bench: Bench) -> Iterator[Client]:
    """Front ends on the bare Redis, with a key and what a worker would have said."""
    opened: list[TestClient] = []
    catalogue.publish(bench.redis, building.catalogue())

    def front_end(*, keys: str | None = KEY, sends: str | None = KEY, **changes: object) -> TestClient:
        settings = bench.settings.model_copy(update={"admin_keys": keys, **changes})
        opened.append(TestClient(create_app(settings), headers={"X-API-Key": sends} if sends else {}))
        return opened[-1].__enter__()

    yield front_end
    for one in opened:
        one.__exit__(None, None, None)


@pytest.fixture(scope="module")
def faces(astronaut_png: bytes) -> bytes:
    return admin_uploads.zipped(admin_uploads.face_files(astronaut_png, 24))


def test_without_a_key_everything_is_refused(client: Client) -> None:
    answer = client(keys=None).get("/v1/admin/trainings")
    assert answer.status_code == 403
    assert answer.headers["Content-Type"] == "application/problem+json"
    assert "POISE_ADMIN_KEYS" in answer.json()["detail"]


def test_every_route_asks_for_a_key(client: Client) -> None:
    here = client(sends=None)
    routes = [(p, m) for p, item in here.get("/openapi.json").json()["paths"].items() if "/admin/" in p for m in item]
    assert len(routes) >= 18
    for path, method in routes:
        answer = here.request(method, path.replace("{id}", "x").replace("{name}", "x").replace("{version}", "x"))
        assert answer.status_code == 401, (method, path)
        assert answer.headers["WWW-Authenticate"].startswith("Bearer")


def test_keys_are_taken_from_either_header_and_rotate(client: Client) -> None:
    hashed = "sha256:" + hashlib.sha256(NEXT.encode()).hexdigest()
    here = client(keys=f"{KEY},{hashed}", sends=None)
    for key in (KEY, NEXT):
        assert here.get("/v1/admin/trainings", headers={"X-API-Key": key}).status_code == 200
        assert here.get("/v1/admin/trainings", headers={"Authorization": f"Bearer {key}"}).status_code == 200
    for wrong in ("nothing", hashed, KEY[:-1]):
        assert here.get("/v1/admin/trainings", headers={"X-API-Key": wrong}).status_code == 401
    assert here.get("/v1/admin/trainings", headers={"Authorization": f"Basic {KEY}"}).status_code == 401


def test_guessing_is_slowed_down(client: Client) -> None:
    here = client(sends=None)
    statuses = [here.get("/v1/admin/trainings", headers={"X-API-Key": f"guess-{i}"}).status_code for i in range(30)]
    assert statuses[0] == 401
    assert statuses[-1] == 429


@pytest.mark.parametrize(
    "wanted",
    [
        {"weighting": "luck"},
        {"targets": []},
        {"targets": ["stargan", "nobody"]},
        {"epsilon": 0},
        {"epsilon": "NaN"},
        {"preset": "forever"},
        {"dataset": "nothing"},
        {"dataset": "../../etc/passwd"},
        {"warm_start": "nothing"},
        {"seed": -1},
        {"steps": 1},
        ["quick"],
        {},
    ],
)
def test_trainings_that_make_no_sense_are_refused(client: Client, bench: Bench, wanted: object) -> None:
    """The last one because there are no faces at all."""
    answer = client().post("/v1/admin/trainings", json=wanted)
    assert answer.status_code == 422, answer.text
    assert "passwd" not in answer.text
    assert Trainings(bench.redis).all() == []


def test_a_training_is_accepted_with_everything_settled(client: Client, bench: Bench, faces: bytes) -> None:
    versions = Versions(storage_of(bench.settings), bench.redis)
    ship(versions)
    here = client()
    assert here.post("/v1/admin/datasets?name=faces", content=faces).status_code == 201
    answer = here.post("/v1/admin/trainings", json={"dataset": "faces", "warm_start": "active"})
    assert answer.status_code == 202
    training = here.get(answer.headers["Location"]).json()
    assert training == answer.json()
    assert training["status"] == "queued"
    assert training["request"]["targets"] == ["stargan"]
    assert training["request"]["warm_start"] == artifact.active().version
    assert here.get("/v1/admin/trainings").json()["trainings"] == [training]
    assert here.delete("/v1/admin/datasets/faces").status_code == 409, "the training needs it"
    assert here.delete(answer.headers["Location"]).json()["status"] == "cancelled"
    assert here.delete(answer.headers["Location"]).status_code == 409
    assert here.delete("/v1/admin/datasets/faces").status_code == 204


TRAINING_KEYS = {
    *("id", "status", "created_at", "started_at", "ended_at", "request", "cancelling", "stage", "step", "steps"),
    *("done", "losses", "weights", "effect", "perturbation", "comparison", "error", "revision"),
    *("crashes", "crashed_at", "failing_since", "failing_at"),
}
REQUEST_KEYS = {"weighting", "targets", "epsilon", "preset", "steps", "dataset", "warm_start", "seed", "activate"}


def test_a_training_shows_what_is_documented_and_nothing_else(
    client: Client, bench: Bench, faces: bytes, monkeypatch: pytest.MonkeyPatch
) -> None:
    class Extended(Training):
        """A record with a field for the workers alone."""

        worker: str = "host:1"

    here = client()
    here.post("/v1/admin/datasets?name=faces", content=faces)
    accepted = here.post("/v1/admin/trainings", json={"dataset": "faces"})
    location = accepted.headers["Location"]
    extended = Extended.model_validate(Trainings(bench.redis).all()[0].model_dump())
    monkeypatch.setattr(Trainings, "get", lambda *_: extended)
    monkeypatch.setattr(Trainings, "all", lambda _: [extended])
    read, listed = here.get(location).json(), here.get("/v1/admin/trainings").json()["trainings"]
    for document in (accepted.json(), read, *listed):
        assert document.keys() == TRAINING_KEYS
        assert document["request"].keys() == REQUEST_KEYS
    documented = here.get("/openapi.json").json()["components"]["schemas"]["TrainingReport"]["properties"]
    assert documented.keys() == TRAINING_KEYS


def test_events_tell_of_changes_until_the_end(client: Client, bench: Bench, faces: bytes) -> None:
    here = client()
    here.post("/v1/admin/datasets?name=faces", content=faces)
    location = here.post("/v1/admin/trainings", json={"dataset": "faces"}).headers["Location"]
    seen: list[str] = []
    with here.stream("GET", location + "/events") as answer:
        for line in answer.iter_lines():
            if line.startswith("data:"):
                seen.append(line)
                if len(seen) == 1:
                    Trainings(bench.redis).update(location.rpartition("/")[2], lambda record: end(record, "succeeded"))
    assert len(seen) == 2
    assert '"queued"' in seen[0]
    assert '"succeeded"' in seen[1]


def test_events_last_as_long_as_the_training(bench: Bench, monkeypatch: pytest.MonkeyPatch) -> None:
    administration = create_app(bench.settings).state.administration
    training = administration.trainings.create(Request())
    now = 0.0

    async def an_hour_passes(_: float) -> None:
        nonlocal now
        now += 3600
        if now >= 48 * 3600:
            administration.trainings.update(training.id, lambda record: end(record, "succeeded"))

    async def told() -> list[str]:
        return [event.data.status async for event in trainings.events(training, administration)]

    monkeypatch.setattr(time, "monotonic", lambda: now)
    monkeypatch.setattr(asyncio, "sleep", an_hour_passes)
    assert asyncio.run(told()) == ["queued", "succeeded"]


def test_datasets_are_kept_listed_and_deleted(client: Client, bench: Bench, faces: bytes) -> None:
    here = client()
    as_form = here.post("/v1/admin/datasets", files={"file": ("../x.zip", faces)}, data={"name": "one"})
    assert as_form.status_code == 201, as_form.text
    assert as_form.json()["sha256"] == hashlib.sha256(faces).hexdigest()
    assert here.post("/v1/admin/datasets?name=one", content=faces).status_code == 409
    unnamed = here.post("/v1/admin/datasets", content=faces)
    assert unnamed.status_code == 201
    names = [dataset["name"] for dataset in here.get("/v1/admin/datasets").json()["datasets"]]
    assert names == sorted(["one", unnamed.json()["name"]])
    assert here.delete("/v1/admin/datasets/one").status_code == 204
    assert here.get("/v1/admin/datasets/one").status_code == 404
    assert list((bench.settings.data_dir / "incoming").iterdir()) == []


@pytest.mark.parametrize("name", ["..", "a/b", "A", "x" * 64, " ", "synthetic"])
def test_strange_dataset_names_are_refused(client: Client, faces: bytes, name: str) -> None:
    assert client().post("/v1/admin/datasets", params={"name": name}, content=faces).status_code in (409, 422)


def test_large_uploads_are_cut_off_declared_or_not(client: Client, bench: Bench, faces: bytes) -> None:
    here = client(max_dataset_bytes=1000)

    def undeclared() -> Iterator[bytes]:
        yield from (faces[i : i + 1000] for i in range(0, len(faces), 1000))

    for content in (faces, undeclared()):
        assert here.post("/v1/admin/datasets?name=faces", content=content).status_code == 413
    assert here.post("/v1/admin/datasets", files={"file": ("x.zip", faces)}).status_code == 413
    assert here.get("/v1/admin/datasets").json() == {"datasets": []}
    assert list((bench.settings.data_dir / "incoming").iterdir()) == []


@pytest.mark.parametrize(
    ("body", "headers", "status"),
    [
        (b"", {}, 422),
        (b"no archive", {}, 415),
        (b"--x\r\n", {"Content-Type": "multipart/form-data; boundary=x"}, 400),
        (b"", {"Content-Type": "multipart/form-data"}, 400),
        (
            b'--x\r\nContent-Disposition: form-data; name="else"\r\n\r\n1\r\n--x--\r\n',
            {"Content-Type": "multipart/form-data; boundary=x"},
            422,
        ),
    ],
)
def test_bodies_that_are_no_archive_are_refused(
    client: Client, body: bytes, headers: dict[str, str], status: int
) -> None:
    assert client().post("/v1/admin/datasets?name=faces", content=body, headers=headers).status_code == status


def test_an_uploaded_generator_is_checked_before_it_is_used(client: Client, bench: Bench, tmp_path: Path) -> None:
    architectures = Generators(storage_of(bench.settings), bench.redis)
    library = building.library(
        Versions(storage_of(bench.settings), bench.redis), architectures, scratch=tmp_path / "scratch"
    )
    here = client()
    answer = here.post("/v1/admin/architectures?name=tiny", content=admin_uploads.tiny_checkpoint(tmp_path))
    assert answer.status_code == 202
    assert answer.json()["status"] == "checking"
    assert here.patch("/v1/admin/architectures/tiny", json={"enabled": True}).status_code == 409
    assert "tiny" not in [target.name for target in library.targets(twins=False)]

    library.check("tiny")
    record = here.get("/v1/admin/architectures/tiny").json()
    assert (record["status"], record["architecture"]) == ("enabled", "stargan")
    assert library.targets(twins=False)[-1].name == "tiny"

    assert here.patch("/v1/admin/architectures/tiny", json={"enabled": False}).json()["status"] == "disabled"
    assert "tiny" not in [target.name for target in library.targets(twins=False)]
    assert here.delete("/v1/admin/architectures/tiny").status_code == 204
    assert here.get("/v1/admin/architectures/tiny").status_code == 404
    assert list(storage_of(bench.settings).entries("architectures")) == []


@pytest.mark.parametrize("content", [b"rubbish", b"\x80\x04cos\nsystem\n(S'true'\ntR."])
def test_other_checkpoints_are_refused_with_the_reason(
    client: Client, bench: Bench, tmp_path: Path, content: bytes
) -> None:
    architectures = Generators(storage_of(bench.settings), bench.redis)
    here = client()
    assert here.post("/v1/admin/architectures?name=bad", content=content).status_code == 202
    building.library(Versions(storage_of(bench.settings), bench.redis), architectures, scratch=tmp_path).check("bad")
    record = here.get("/v1/admin/architectures/bad").json()
    assert record["status"] == "refused"
    assert record["error"]["detail"]
    assert str(tmp_path) not in record["error"]["detail"]


def test_a_checkpoint_that_kills_its_worker_is_given_up(client: Client, bench: Bench, tmp_path: Path) -> None:
    architectures = Generators(storage_of(bench.settings), bench.redis)
    library = building.library(
        Versions(storage_of(bench.settings), bench.redis), architectures, scratch=tmp_path / "scratch"
    )
    client().post("/v1/admin/architectures?name=tiny", content=admin_uploads.tiny_checkpoint(tmp_path))
    for attempts in range(3):
        record = architectures.get("tiny")
        assert record is not None
        assert record.attempts == attempts
        record.attempts += 1  # as far as it comes before the process dies
        architectures.checked(record)
    library.check("tiny")
    record = architectures.get("tiny")
    assert record is not None
    assert record.status == "refused"


def test_a_generator_deleted_while_it_is_checked_stays_deleted(
    client: Client, bench: Bench, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Also where the deletion comes between a worker's look at the record and its writing."""
    storage = storage_of(bench.settings)
    worker, administrator = Generators(storage, bench.redis), Generators(storage, bench.redis)
    client().post("/v1/admin/architectures?name=tiny", content=admin_uploads.tiny_checkpoint(tmp_path))
    record = worker.get("tiny")
    assert record is not None
    deleting = threading.Thread(target=administrator.delete, args=("tiny",))

    def looked(name: str) -> Generator | None:
        found = Generators.get(worker, name)
        deleting.start()
        deleting.join(0.5)
        return found

    monkeypatch.setattr(worker, "get", looked)
    worker.checked(record)
    deleting.join(30)
    assert administrator.get("tiny") is None


def test_a_check_that_comes_late_changes_nothing(bench: Bench, tmp_path: Path) -> None:
    """Not another upload under the name, and not what an administrator has chosen after the first of two checks."""
    architectures = Generators(storage_of(bench.settings), bench.redis)
    path = tmp_path / "checkpoint"
    path.write_bytes(b"first")
    late = architectures.add(path, name="tiny", sha256="1" * 64)
    late.status = "enabled"
    architectures.delete("tiny")
    second = architectures.add(path, name="tiny", sha256="2" * 64)
    architectures.checked(late)
    assert architectures.get("tiny") == second

    first = second.model_copy(update={"status": "enabled"})
    architectures.checked(first)
    architectures.enable("tiny", enabled=False)
    architectures.checked(first)
    disabled = architectures.get("tiny")
    assert disabled is not None
    assert disabled.status == "disabled"


def race(folder: Path, add: Callable[[Path, str], object], lost: type[Exception]) -> str:
    """Have six different files of ``folder`` added at the same moment; the SHA-256 of the one that was not refused."""
    together = threading.Barrier(6)

    def upload(number: int) -> str | None:
        path = folder / str(number)
        path.write_bytes(content := b"upload %d" % number)
        digest = hashlib.sha256(content).hexdigest()
        together.wait(30)
        try:
            add(path, digest)
        except lost:
            return None
        return digest

    with ThreadPoolExecutor(6) as pool:
        (winner,) = (digest for digest in pool.map(upload, range(6)) if digest is not None)
    return winner


def test_of_datasets_under_one_name_at_the_same_moment_one_is_kept_whole(bench: Bench, tmp_path: Path) -> None:
    storage = storage_of(bench.settings)

    def add(path: Path, digest: str) -> None:
        Datasets(storage, bench.redis).add(path, name="faces", sha256=digest, faces=1, ignored=0)

    winner = race(tmp_path, add, DatasetExists)
    assert Datasets(storage).fetch("faces", tmp_path / "fetched").sha256 == winner
    assert hashlib.sha256((tmp_path / "fetched").read_bytes()).hexdigest() == winner
    assert len(list(storage.entries("datasets/"))) == 2


def test_of_uploads_under_one_name_at_the_same_moment_one_is_kept_whole(bench: Bench, tmp_path: Path) -> None:
    storage = storage_of(bench.settings)

    def add(path: Path, digest: str) -> None:
        Generators(storage, bench.redis).add(path, name="tiny", sha256=digest)

    winner = race(tmp_path, add, GeneratorExists)
    Generators(storage, bench.redis).fetch("tiny", tmp_path / "fetched")
    assert hashlib.sha256((tmp_path / "fetched").read_bytes()).hexdigest() == winner
    assert len(list(storage.entries("architectures/"))) == 2


@pytest.mark.parametrize("name", ["stargan", "latent_diffusion", "A", "a-b", "../x", "", "x" * 41])
def test_names_of_generators_that_cannot_be_used(client: Client, name: str) -> None:
    answer = client().post("/v1/admin/architectures", params={"name": name}, content=b"x")
    assert answer.status_code in (409, 422)


def test_versions_are_listed_activated_rolled_back_and_deleted(client: Client, bench: Bench, tmp_path: Path) -> None:
    versions = Versions(storage_of(bench.settings), bench.redis)
    ship(versions)
    shipped = artifact.active()
    artifact.save(tmp_path, shipped.delta / 2, epsilon=0.05, weighting="uniform", sidecar={"targets": {}})
    other = versions.add(tmp_path, origin="imported").version
    here = client()
    listed = here.get("/v1/admin/perturbations").json()
    assert {p["version"]: p["active"] for p in listed["perturbations"]} == {shipped.version: True, other: False}
    assert listed["active"] == shipped.version
    assert here.post(f"/v1/admin/perturbations/{other}/activate").json()["active"]
    assert here.get("/v1/perturbations/active").json()["version"] == other
    assert here.delete(f"/v1/admin/perturbations/{other}").status_code == 409
    assert here.post("/v1/admin/perturbations/rollback").json()["version"] == shipped.version
    assert here.get("/v1/perturbations/active").json()["version"] == shipped.version
    assert here.post("/v1/admin/perturbations/rollback").status_code == 409
    assert here.delete(f"/v1/admin/perturbations/{other}").status_code == 204
    for method, path in (("GET", other), ("DELETE", other), ("POST", f"{other}/activate"), ("GET", "..%2Factive")):
        assert here.request(method, f"/v1/admin/perturbations/{path}").status_code == 404
    assert [entry["version"] for entry in here.get("/v1/admin/perturbations").json()["history"]][-1] == shipped.version


def test_what_the_workers_offer_can_be_asked_for(client: Client, bench: Bench) -> None:
    faces = Dataset(name=SYNTHETIC, created_at=None, bytes=1, sha256="0" * 64, faces=24, shipped=True)
    wide = building.catalogue(faces).model_copy(update={"weightings": ("mine",), "presets": ("quick", "slow")})
    catalogue.publish(bench.redis, wide)
    wanted = {"weighting": "mine", "preset": "slow"}
    started = client().post("/v1/admin/trainings", json=wanted)
    assert started.status_code == 202
    refused = client().post("/v1/admin/trainings", json={"weighting": "aef"})
    assert refused.status_code == 422
    assert refused.json()["detail"] == "There is no such weighting; there are: mine."


def test_a_catalogue_of_an_older_worker_counts_as_none(client: Client, bench: Bench) -> None:
    offers = building.catalogue().model_dump()
    plans = {name: {**plan, "starts": 0, "start_steps": 120} for name, plan in offers["plans"].items()}
    for older in ({"targets": ["stargan"], "faces": None}, {**offers, "plans": plans}):
        bench.redis.set("poise:offers", json.dumps(older))
        assert client().post("/v1/admin/trainings", json={}).status_code == 503
    catalogue.publish(bench.redis, building.catalogue())
    assert client().get("/v1/admin/choices").status_code == 200
