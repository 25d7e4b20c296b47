"""The OpenAPI document is a promise: requests made from it, good or bad, get what it says and no mistake of ours."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import httpx
import pytest
import schemathesis
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis.errors import Unsatisfiable
from schemathesis import GenerationMode
from schemathesis.checks import not_a_server_error
from schemathesis.core.failures import FailureGroup
from schemathesis.specs.openapi.checks import (
    content_type_conformance,
    negative_data_rejection,
    response_headers_conformance,
    response_schema_conformance,
    status_code_conformance,
)

from tests.service.conftest import ADMIN_KEY
from tests.service.helpers import admin_uploads
from tests.service.helpers.lives import Lives
from tests.service.helpers.running import Running

EXAMPLES = 3
"""Requests for every operation and kind of data."""
CHECKS = [
    not_a_server_error,
    status_code_conformance,
    content_type_conformance,
    response_headers_conformance,
    response_schema_conformance,
    negative_data_rejection,
]
ANY_TEXT = ({"type": "string"}, {"anyOf": [{"type": "string"}, {"type": "null"}]})
DESCRIBES = ("title", "description")
FLAGS = ("scores", "previews")
CAREFUL = settings(
    max_examples=EXAMPLES,
    phases=(Phase.generate,),  # a failure is told as it is: making it smaller takes minutes
    deadline=None,
    database=None,
    derandomize=True,
    suppress_health_check=list(HealthCheck),
)


@pytest.fixture(scope="module")
def run(lives: Lives) -> Running:
    """A service that may be left with anything."""
    return lives.now


@pytest.fixture(scope="module")
def there(run: Running, astronaut_png: bytes) -> dict[str, dict[str, str]]:
    """Something real for the parameters of paths, by the path's beginning."""
    head = {"X-API-Key": ADMIN_KEY}
    faces = admin_uploads.zipped(admin_uploads.face_files(astronaut_png, 24))
    run.client.post("/v1/admin/datasets?name=faces", content=faces, headers=head).raise_for_status()
    here = run.client.post("/v1/admin/trainings", json={"dataset": "faces"}, headers=head).headers["Location"]
    # ended, or its events would last as long as the training
    run.client.delete(here, headers=head).raise_for_status()
    photo = run.accepted(astronaut_png, scores="false")
    run.settled(photo)
    active = run.client.get("/v1/perturbations/active").json()["version"]
    return {
        "/v1/protections": {"id": photo.rpartition("/")[2], "architecture": "stargan", "edit": "hair"},
        "/v1/admin/trainings": {"id": here.rpartition("/")[2]},
        "/v1/admin/perturbations": {"version": active},
        "/v1/admin/datasets": {"name": "faces"},
        "/v1/admin/architectures": {"name": "stargan"},
    }


def operations(run: Running) -> list[Any]:
    """Every operation of the document; those that delete come last. The right key is sent with each, and no other."""
    document = run.client.get("/openapi.json").json()
    for operation in (found for path in document["paths"].values() for found in path.values()):
        operation.pop("security", None)
    schema = schemathesis.openapi.from_dict(document)
    results: Iterator[Any] = schema.get_all_operations()
    return sorted((result.ok() for result in results), key=lambda operation: operation.method.upper() == "DELETE")


def checks_of(case: Any) -> list[Any]:
    """What is promised for a request.

    A batch is answered even where each of its photos is refused, and in a form a flag is text: sent as such, it is no
    bad data.
    """
    text = isinstance(case.body, dict) and any(isinstance(case.body.get(flag), str) for flag in FLAGS)
    tolerated = text or case.operation.label == "POST /v1/batches"
    return [check for check in CHECKS if not (tolerated and check is negative_data_rejection)]


def attacked(
    run: Running, operation: Any, mode: GenerationMode, fixed: dict[str, str] | None = None
) -> tuple[list[str], set[int]]:
    """Make requests for one operation: what was not as promised, and which statuses came. fixed: parts of its path."""
    complaints: list[str] = []
    statuses: set[int] = set()

    @CAREFUL
    @given(case=operation.as_strategy(generation_mode=mode))
    def send(case: Any) -> None:
        case.path_parameters = {**(case.path_parameters or {}), **(fixed or {})}
        answer = case.call(base_url=run.url, headers={"X-API-Key": ADMIN_KEY}, timeout=120)
        statuses.add(answer.status_code)
        if answer.status_code == 202 and operation.path == "/v1/admin/trainings":
            # only the answer is of interest, and a training would take a processor for minutes
            here = f"{operation.path}/{answer.json()['id']}"
            run.client.delete(here, headers={"X-API-Key": ADMIN_KEY}).raise_for_status()
        try:
            case.validate_response(answer, checks=checks_of(case))
        except FailureGroup as failures:
            complaints.append(f"{operation.label}: {failures}")

    send()
    return complaints, statuses


@pytest.mark.slow
def test_good_requests_are_answered_as_documented(run: Running) -> None:
    complaints = [text for one in operations(run) for text in attacked(run, one, GenerationMode.POSITIVE)[0]]
    assert complaints == []


def takes_any_text(operation: Any) -> bool:
    """Whether no request for it can be wrong: it has no body, and its parameters are texts of any kind.

    Looking for such a request all the same takes a second for each.
    """
    raw = operation.definition.raw
    schemas = [one["schema"] for one in raw.get("parameters", ())]
    kinds = [{name: said for name, said in schema.items() if name not in DESCRIBES} for schema in schemas]
    return "requestBody" not in raw and all(kind in ANY_TEXT for kind in kinds)


@pytest.mark.slow
def test_bad_requests_are_refused_as_documented(run: Running) -> None:
    complaints: list[str] = []
    refused: set[str] = set()
    for operation in operations(run):
        if takes_any_text(operation):
            continue
        try:
            complaints += attacked(run, operation, GenerationMode.NEGATIVE)[0]
        except Unsatisfiable:  # whatever is sent is allowed
            continue
        refused.add(operation.label)
    assert complaints == []
    assert {"POST /v1/protections", "POST /v1/batches", "POST /v1/admin/trainings"} <= refused


@pytest.mark.slow
def test_what_is_there_is_answered_as_documented(run: Running, there: dict[str, dict[str, str]]) -> None:
    """As above, but the paths lead to something."""
    complaints: list[str] = []
    statuses: set[int] = set()
    for operation in operations(run):
        fixed = next((known for path, known in there.items() if operation.path.startswith(path + "/{")), None)
        if fixed is not None:
            named = {name: value for name, value in fixed.items() if "{" + name + "}" in operation.path}
            wrong, seen = attacked(run, operation, GenerationMode.POSITIVE, named)
            complaints += wrong
            statuses |= seen
    assert complaints == []
    assert {200, 204, 409} <= statuses


def test_administration_needs_a_key_everywhere(run: Running) -> None:
    paths = run.client.get("/openapi.json").json()["paths"]
    asked: list[httpx.Response] = [
        run.client.request(method, path.replace("{", "").replace("}", ""))
        for path, methods in paths.items()
        if path.startswith("/v1/admin")
        for method in methods
    ]
    assert len(asked) >= 15
    assert {answer.status_code for answer in asked} == {401}
