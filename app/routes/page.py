"""The web pages: files served as they are. They load nothing from other hosts."""

from __future__ import annotations

from typing import Final

from fastapi import APIRouter, Request, Response

from app.contracts.problems import NotFound
from app.guards.forms import drain
from app.page_files import read_all
from app.routes.dependencies import AnyService

router = APIRouter(include_in_schema=False)

_FILES: Final = read_all()
_HEADERS: Final = {
    "Content-Security-Policy": "default-src 'none'; script-src 'self'; style-src 'self'; connect-src 'self'; "
    "img-src 'self' blob: data:; manifest-src 'self'; worker-src 'self'; base-uri 'none'; form-action 'none'; "
    "frame-ancestors 'none'",
    "Referrer-Policy": "no-referrer",
    "Cache-Control": "no-cache",
    "Vary": "Accept-Encoding",
}


@router.get("/")
def index(request: Request) -> Response:
    """The page on which people protect photos."""
    return _answer(request, "index.html")


@router.get("/admin")
def admin(request: Request) -> Response:
    """The page of administrators. It shows nothing until its routes accept a key."""
    return _answer(request, "admin.html")


@router.get("/page.css")
def style(request: Request) -> Response:
    """The pages' style sheet."""
    return _answer(request, "page.css")


@router.get("/page.js")
def script(request: Request) -> Response:
    """The script the first page starts with."""
    return _answer(request, "page.js")


@router.get("/manifest.webmanifest")
def manifest(request: Request) -> Response:
    """What a phone needs to install the page and to share photos to it."""
    return _answer(request, "manifest.webmanifest")


@router.get("/sharing.js")
def sharing(request: Request) -> Response:
    """The script that receives shared photos; a browser lets it see nothing above its own folder."""
    return _answer(request, "sharing.js")


@router.post("/share")
async def share(request: Request, service: AnyService) -> Response:
    """Where photos are shared to. ``sharing.js`` takes them before they get here; without it, the page asks again."""
    await drain(request, service.settings.max_batch_bytes)
    return Response(status_code=303, headers={"Location": "/?shared=lost"})


@router.get("/static/{name:path}")
def file(request: Request, name: str) -> Response:
    """Everything else the pages load."""
    return _answer(request, name)


def _answer(request: Request, name: str) -> Response:
    found = _FILES.get(name)
    if found is None:
        raise NotFound("There is no such file.")
    packed = "gzip" in request.headers.get("accept-encoding", "")
    etag = found.compressed_etag if packed else found.plain_etag
    headers = {**_HEADERS, "ETag": etag}
    if etag in _known(request):
        return Response(status_code=304, headers=headers)
    if not packed:
        return Response(found.plain, media_type=found.media_type, headers=headers)
    headers["Content-Encoding"] = "gzip"
    return Response(found.compressed, media_type=found.media_type, headers=headers)


def _known(request: Request) -> set[str]:
    """The tags of what the client has. A proxy may have made them weak, which is good enough here."""
    given = request.headers.get("if-none-match", "").split(",")
    return {tag.strip().removeprefix("W/") for tag in given}
