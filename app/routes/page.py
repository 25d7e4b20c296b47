"""The web page: three files, served as they are. It loads nothing from other hosts."""

from __future__ import annotations

from pathlib import Path
from typing import Final

from fastapi import APIRouter
from fastapi.responses import FileResponse

router = APIRouter(include_in_schema=False)

_FOLDER: Final = Path(__file__).parents[1] / "static"
_HEADERS: Final = {
    "Content-Security-Policy": "default-src 'none'; script-src 'self'; style-src 'self'; connect-src 'self'; "
    "img-src 'self' blob: data:; base-uri 'none'; form-action 'none'; frame-ancestors 'none'",
    "Referrer-Policy": "no-referrer",
    "Cache-Control": "no-cache",
}


@router.get("/")
def index() -> FileResponse:
    """The web page."""
    return FileResponse(_FOLDER / "index.html", headers=_HEADERS)


@router.get("/page.css")
def style() -> FileResponse:
    """The page's style sheet."""
    return FileResponse(_FOLDER / "page.css", headers=_HEADERS)


@router.get("/page.js")
def script() -> FileResponse:
    """The page's script."""
    return FileResponse(_FOLDER / "page.js", headers=_HEADERS)
