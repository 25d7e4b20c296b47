"""Errors people see: one tree, each with an HTTP status and a problem type (RFC 9457).

Problem
├── BadRequest             400  the request cannot be parsed
├── Unauthorized           401  an administrator's key is missing or wrong
├── Forbidden              403  administration is switched off
├── NotFound               404  no such id, or no such path
├── MethodNotAllowed       405
├── NotReady               409  the requested thing does not exist yet, or never will
├── KeyInFlight            409  the first request with this Idempotency-Key is still being answered
├── KeySpent               409  the result made with this Idempotency-Key was erased
├── Conflict               409  the current state does not allow it
├── RequestTimeout         408  the body arrives too slowly
├── PayloadTooLarge        413  more bytes than allowed
├── Misdirected            421  the service does not answer to this host name
├── UnsupportedMedia       415  not an image of an allowed kind, or not a form
├── Unprocessable          422  understood, but unusable
│   ├── ImageTooLarge      422  more pixels than allowed
│   ├── ImageDamaged       422  damage that only decoding reveals
│   ├── TookTooLong        422  more work than one photo may take
│   └── KeyReused          422  the Idempotency-Key belongs to another request
├── TooManyJobs            429  the queue is full
├── TooManyTrainings       429  too many trainings wait already
├── RateLimited            429  one client sends too many requests
├── Internal               500  a bug in Poise
└── Unavailable            503  Redis or the storage does not answer
"""

from __future__ import annotations

from typing import ClassVar, Final

from pydantic import BaseModel, ConfigDict, Field

MEDIA_TYPE: Final = "application/problem+json"


class ProblemDocument(BaseModel):
    """A problem, as it is sent and as the report of a failed job contains it."""

    model_config = ConfigDict(frozen=True)

    type: str = Field(description="A URI reference that names the kind of problem.", examples=["/problems/not-found"])
    title: str
    status: int = Field(ge=400, le=599)
    detail: str = Field(description="What is wrong with this request, and what to do about it.")


class Problem(Exception):
    """Anything that ends a request or a job with an explanation.

    Args:
        detail: what is wrong and what to do, in plain words; never a path, a key or an id of a result.
        headers: HTTP headers that go with the answer.
    """

    status: ClassVar[int] = 500
    slug: ClassVar[str] = "internal"
    title: ClassVar[str] = "Something went wrong"

    def __init__(self, detail: str, *, headers: dict[str, str] | None = None) -> None:
        super().__init__(detail)
        self.detail = detail
        self.headers = headers or {}

    def document(self) -> ProblemDocument:
        """The problem as it is sent."""
        return ProblemDocument(type=f"/problems/{self.slug}", title=self.title, status=self.status, detail=self.detail)


class BadRequest(Problem):
    """The request cannot be parsed."""

    status = 400
    slug = "bad-request"
    title = "The request cannot be read"


class Unauthorized(Problem):
    """An administrator's key is missing or wrong."""

    status = 401
    slug = "unauthorized"
    title = "A valid key is required"


class Forbidden(Problem):
    """Administration is switched off."""

    status = 403
    slug = "forbidden"
    title = "This is not allowed here"


class NotFound(Problem):
    """No such id, or no such path."""

    status = 404
    slug = "not-found"
    title = "Not found"


class MethodNotAllowed(Problem):
    """The path exists, but not for this method."""

    status = 405
    slug = "method-not-allowed"
    title = "Method not allowed"


class RequestTimeout(Problem):
    """The body arrives too slowly."""

    status = 408
    slug = "request-timeout"
    title = "The request took too long to arrive"


class NotReady(Problem):
    """The requested thing does not exist yet, or never will."""

    status = 409
    slug = "not-ready"
    title = "The picture does not exist"


class KeyInFlight(Problem):
    """The first request with this Idempotency-Key is still being answered."""

    status = 409
    slug = "key-in-flight"
    title = "The first request with this key is still in progress"


class KeySpent(Problem):
    """The result made with this Idempotency-Key was erased."""

    status = 409
    slug = "key-spent"
    title = "The result of this key was erased"


class Conflict(Problem):
    """The current state does not allow it."""

    status = 409
    slug = "conflict"
    title = "This cannot be done now"


class PayloadTooLarge(Problem):
    """More bytes than allowed."""

    status = 413
    slug = "payload-too-large"
    title = "The upload is too large"


class Misdirected(Problem):
    """The service does not answer to this host name."""

    status = 421
    slug = "misdirected"
    title = "This host name is not served here"


class UnsupportedMedia(Problem):
    """Not an image of an allowed kind, or not a form."""

    status = 415
    slug = "unsupported-media"
    title = "This kind of file is not supported"


class Unprocessable(Problem):
    """Understood, but unusable."""

    status = 422
    slug = "unprocessable"
    title = "The request cannot be used"


class ImageTooLarge(Unprocessable):
    """More pixels than allowed."""

    slug = "image-too-large"
    title = "The image has too many pixels"


class ImageDamaged(Unprocessable):
    """Damage that only a full decode can see."""

    slug = "image-damaged"
    title = "The image cannot be decoded"


class TookTooLong(Unprocessable):
    """More work than one photo may take."""

    slug = "took-too-long"
    title = "The photo took too long"


class KeyReused(Unprocessable):
    """The Idempotency-Key belongs to another request."""

    slug = "key-reused"
    title = "The key belongs to another request"


class TooManyJobs(Problem):
    """The queue is full."""

    status = 429
    slug = "too-many-jobs"
    title = "Too many photos are waiting"


class TooManyTrainings(Problem):
    """Too many trainings wait already."""

    status = 429
    slug = "too-many-trainings"
    title = "Too many trainings are waiting"


class RateLimited(Problem):
    """One client sends too many requests."""

    status = 429
    slug = "rate-limited"
    title = "Too many requests"


class Internal(Problem):
    """A bug in Poise."""


class Unavailable(Problem):
    """A part of the service does not answer."""

    status = 503
    slug = "unavailable"
    title = "The service is unavailable"
