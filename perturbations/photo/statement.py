"""What a copy says about itself: whose it is, and that training on it is prohibited.

The statement is the property ``DataMining`` of the PLUS vocabulary, which the IPTC recommends for this.
"""

from __future__ import annotations

import struct
from html import escape
from typing import Final

from perturbations.photo.credit import Credit

_VOCABULARY: Final = "http://ns.useplus.org/ldf/vocab/"
PROHIBITED: Final = f"{_VOCABULARY}DMI-PROHIBITED"
_ARTIST, _COPYRIGHT, _ASCII = 0x013B, 0x8298, 2
_NAMESPACES: Final = (
    'xmlns:rdf="http://www.w3.org/1999/02/22-rdf-syntax-ns#" xmlns:dc="http://purl.org/dc/elements/1.1/" '
    'xmlns:plus="http://ns.useplus.org/ldf/xmp/1.0/"'
)


def xmp_of(credit: Credit, *, prohibit_mining: bool) -> bytes | None:
    """An XMP packet (ISO 16684-1), ``None`` if there is nothing to say.

    What the photo itself says about training stays where ``prohibit_mining`` says nothing stricter.
    """
    mining = PROHIBITED if prohibit_mining else credit.mining and _VOCABULARY + credit.mining
    said = [f"<plus:DataMining>{mining}</plus:DataMining>"] if mining else []
    if credit.creator:
        said.append(f"<dc:creator><rdf:Seq><rdf:li>{escape(credit.creator)}</rdf:li></rdf:Seq></dc:creator>")
    if credit.rights:
        item = f'<rdf:li xml:lang="x-default">{escape(credit.rights)}</rdf:li>'
        said.append(f"<dc:rights><rdf:Alt>{item}</rdf:Alt></dc:rights>")
    if not said:
        return None
    described = f'<rdf:RDF {_NAMESPACES}><rdf:Description rdf:about="">{"".join(said)}</rdf:Description></rdf:RDF>'
    packet = (
        '<?xpacket begin="\ufeff" id="W5M0MpCehiHzreSzNTczkc9d"?>',
        f'<x:xmpmeta xmlns:x="adobe:ns:meta/">{described}</x:xmpmeta>',
        '<?xpacket end="r"?>',
    )
    return "".join(packet).encode()


def exif_of(credit: Credit) -> bytes | None:
    """EXIF with the artist and the copyright alone, ``None`` if neither is known."""
    texts = [(_ARTIST, credit.creator), (_COPYRIGHT, credit.rights)]
    values = [(tag, text.encode() + b"\0") for tag, text in texts if text]
    if not values:
        return None
    entries, behind, free = b"", b"", 8 + 2 + 12 * len(values) + 4
    for tag, value in values:
        place = struct.pack(">I", free + len(behind)) if len(value) > 4 else value.ljust(4, b"\0")
        entries += struct.pack(">HHI", tag, _ASCII, len(value)) + place
        behind += value + bytes(len(value) % 2) if len(value) > 4 else b""
    return b"Exif\0\0MM\0*\0\0\0\x08" + struct.pack(">H", len(values)) + entries + bytes(4) + behind
