"""Who made a photo, whose it is and whether training on it is prohibited: all that a copy keeps of a file's words.

They are looked for where cameras and editors write them: in XMP, IPTC-IIM and EXIF, in this order, as the IPTC advises,
and last in the texts of a PNG. Nothing else is read there, and what is found is cleaned: a hostile file could put
anything into it.
"""

from __future__ import annotations

import html
import re
import unicodedata
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import Final

from perturbations.photo.exif import directory_of

LONGEST: Final = 500
"""Characters that are kept."""
MOST: Final = 200_000
"""Bytes of XMP or IPTC that are looked at."""
_ARTIST, _COPYRIGHT = 0x013B, 0x8298
_BY_LINE, _NOTICE = 80, 116
"""Datasets of IPTC-IIM's second record."""
_IPTC: Final = 0x0404
_RESOURCES: Final = (b"8BIM", b"MeSa", b"AgHg", b"PHUT", b"DCSR")
"""How Photoshop and its relatives begin a resource."""
_MOST_RESOURCES: Final = 1_000
_PROPERTIES: Final = {name: re.compile(rf"<dc:{name}(?:\s[^>]{{0,200}})?>") for name in ("creator", "rights")}
_LONGEST_PROPERTY: Final = 4_000
_ITEM: Final = re.compile(r"<rdf:li(?:\s[^>]{0,200})?>([^<]{0,1000})</rdf:li>")
_MINING: Final = re.compile(
    r"""plus:DataMining(?:\s{0,9}=\s{0,9}["']|\s{1,9}rdf:resource\s{0,9}=\s{0,9}["']|[^<>]{0,200}>)"""
    r"""[^<>"']{0,200}?\b(DMI-PROHIBITED[A-Z-]{0,40})"""
)
"""A property of the PLUS vocabulary; its other values allow something or say nothing."""


@dataclass(frozen=True, slots=True)
class Credit:
    """Empty where nothing is said. mining: how the photo prohibits training on it, in the words of PLUS."""

    creator: str = ""
    rights: str = ""
    mining: str = ""


NOBODY: Final = Credit()


def credit_of(
    *, xmp: bytes | None = None, iptc: bytes | None = None, exif: bytes | None = None, texts: Credit = NOBODY
) -> Credit:
    """What the blocks of a file say. iptc: bare, or among the resources of Photoshop. texts: its plain texts."""
    said = [_of_xmp(xmp or b""), _of_iptc(iptc or b""), _of_exif(exif or b""), texts]
    return Credit(_first(one.creator for one in said), _first(one.rights for one in said), said[0].mining)


def credit_in_texts(author: bytes, notice: bytes) -> Credit:
    """What plain texts say."""
    return Credit(cleaned(_decoded(author)), cleaned(_decoded(notice)))


def cleaned(text: str) -> str:
    """``text`` on one line, without anything that is not seen, and not too long."""
    seen = "".join(c if unicodedata.category(c)[0] != "C" else " " for c in text[: 4 * LONGEST])
    return " ".join(seen.split())[:LONGEST].strip()


def _first(texts: Iterable[str]) -> str:
    return next((text for text in texts if text), "")


def _of_xmp(xmp: bytes) -> Credit:
    text = xmp[:MOST].decode("utf-8", "replace")
    found = {}
    for name, pattern in _PROPERTIES.items():
        said = _between(text, pattern, f"</dc:{name}>")
        items = _ITEM.findall(said)
        plain = [said] if "<" not in said else []
        values = [cleaned(html.unescape(item)) for item in (items or plain)]
        # of rights in several languages, the first is the default
        found[name] = cleaned("; ".join(filter(None, values if name == "creator" else values[:1])))
    mining = _MINING.search(text)
    return Credit(found["creator"], found["rights"], "" if mining is None else mining[1])


def _between(text: str, opening: re.Pattern[str], closing: str) -> str:
    """What the first ``opening`` begins, empty if it is not closed soon: any number of them may be there."""
    if (found := opening.search(text)) is None:
        return ""
    end = text.find(closing, found.end(), found.end() + _LONGEST_PROPERTY + len(closing))
    return text[found.end() : end] if end >= 0 else ""


def _of_iptc(block: bytes) -> Credit:
    found: dict[int, list[str]] = {_BY_LINE: [], _NOTICE: []}
    said = _resource(block) if block.startswith(_RESOURCES) else block
    for number, value in _datasets(said[:MOST]):
        if number in found:
            found[number].append(cleaned(_decoded(value)))
    return Credit(cleaned("; ".join(filter(None, found[_BY_LINE]))), _first(found[_NOTICE]))


def _resource(data: bytes) -> bytes:
    """The IPTC block among Photoshop's image resources."""
    at = 0
    for _ in range(_MOST_RESOURCES):
        if not data.startswith(_RESOURCES, at) or at + 12 > len(data):
            break
        name = data[at + 6] + 1
        start = at + 6 + name + name % 2
        length = int.from_bytes(data[start : start + 4], "big")
        if int.from_bytes(data[at + 4 : at + 6], "big") == _IPTC:
            return data[start + 4 : start + 4 + length]
        at = start + 4 + length + length % 2
    return b""


def _datasets(data: bytes) -> Iterator[tuple[int, bytes]]:
    """Number and value of each in the second record (IPTC-IIM 4.2, section 1.5)."""
    at = 0
    while at + 5 <= len(data) and data[at] == 0x1C:
        length = int.from_bytes(data[at + 3 : at + 5], "big")
        if length & 0x8000:
            return
        if data[at + 1] == 2:
            yield data[at + 2], data[at + 5 : at + 5 + length]
        at += 5 + length


def _of_exif(exif: bytes) -> Credit:
    told = directory_of(exif)
    artist, notice = (cleaned(_decoded(told.text(tag, MOST).replace(b"\0", b" "))) for tag in (_ARTIST, _COPYRIGHT))
    return Credit(artist, notice)


def _decoded(value: bytes) -> str:
    """Text of either encoding that is seen."""
    try:
        return value.decode()
    except UnicodeDecodeError:
        return value.decode("latin-1")
