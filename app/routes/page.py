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


_PAGES: Final = {
    "/": "index.html",
    "/admin": "admin.html",  # shows nothing until its routes accept a key
    "/page.css": "page.css",
    "/page.js": "page.js",
    "/manifest.webmanifest": "manifest.webmanifest",  # to install the page, and to share photos to it
    "/sharing.js": "sharing.js",  # receives shared photos; a browser lets it see nothing above its own folder
}
"""Files with an address of their own."""


def _serve(path: str, name: str) -> None:
    @router.get(path)
    def page(request: Request) -> Response:
        return _answer(request, name)


for _path, _name in _PAGES.items():
    _serve(_path, _name)


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
    packed = _takes_gzip(request.headers.get("accept-encoding", ""))
    etag = found.compressed_etag if packed else found.plain_etag
    headers = {**_HEADERS, "ETag": etag}
    if etag in _known(request):
        return Response(status_code=304, headers=headers)
    if not packed:
        return Response(found.plain, media_type=found.media_type, headers=headers)
    headers["Content-Encoding"] = "gzip"
    return Response(found.compressed, media_type=found.media_type, headers=headers)


def _takes_gzip(accepted: str) -> bool:
    """What ``Accept-Encoding`` says (RFC 9110, section 12.5.3). A weight of zero means no."""
    weights: dict[str, float] = {}
    for entry in accepted.lower().split(","):
        coding, _, parameter = entry.partition(";")
        name, _, value = parameter.partition("=")
        try:
            weights[coding.strip()] = float(value) if name.strip() == "q" else 1.0
        except ValueError:
            weights[coding.strip()] = 0.0
    return weights.get("gzip", weights.get("*", 0.0)) > 0


def _known(request: Request) -> set[str]:
    """The tags of what the client has. A proxy may have made them weak, which is good enough here."""
    given = request.headers.get("if-none-match", "").split(",")
    return {tag.strip().removeprefix("W/") for tag in given}
