"""The header of a TIFF (TIFF 6.0)."""

from __future__ import annotations

from app.photos.headers.header import Header, Unreadable
from app.photos.tiff_pages import Unusable, page_of


def tiff(data: bytes) -> Header:
    """The size of the only page.

    Raises:
        Unreadable: it is damaged, of a kind that photos are not, or has several pages.
    """
    try:
        page = page_of(data)
    except Unusable as error:
        raise Unreadable(f"The TIFF {error}.") from None
    if page.pages > 1:
        raise Unreadable("The TIFF has several pages. Save the page you want on its own.")
    return Header(page.width, page.height)
