"""The XMP packet that says whence an image came (ISO 16684-1).

A packet of another program is only looked into, never changed.
"""

from __future__ import annotations

import re
from html import escape, unescape

DESCRIPTION_LENGTH = 2000
"""Characters of a prompt that viewers are given; the whole is beside it."""

# How the packets begin that are made here, and that may thus be replaced.
_BEGIN = (
    '<?xpacket begin="\ufeff" id="W5M0MpCehiHzreSzNTczkc9d"?>'
    '<x:xmpmeta xmlns:x="adobe:ns:meta/" x:xmptk="batcher">'
)
_PACKET = (
    '<rdf:RDF xmlns:rdf="http://www.w3.org/1999/02/22-rdf-syntax-ns#">'
    '<rdf:Description rdf:about=""'
    ' xmlns:dc="http://purl.org/dc/elements/1.1/"'
    ' xmlns:xmp="http://ns.adobe.com/xap/1.0/"'
    ' xmlns:batcher="urn:x-batcher:1/">'
    '<dc:description><rdf:Alt><rdf:li xml:lang="x-default">{description}</rdf:li>'
    "</rdf:Alt></dc:description>"
    "<xmp:CreatorTool>{software}</xmp:CreatorTool>"
    "<batcher:provenance>{provenance}</batcher:provenance>"
    '</rdf:Description></rdf:RDF></x:xmpmeta><?xpacket end="w"?>'
)
_PROVENANCE = re.compile(r"<batcher:provenance>([^<]*)</batcher:provenance>", re.DOTALL)
# Of all that UTF-8 can say, what XML 1.0 cannot; JSON has escaped the others.
_NO_XML = re.compile("[\x00-\x08\x0b\x0c\x0e-\x1f\ufffe\uffff]")


def packet(provenance: str, *, description: str, software: str) -> bytes:
    """Make a packet.

    Args:
        provenance: JSON.
        description: What viewers show; cut at `DESCRIPTION_LENGTH`.
        software: What made the image, for viewers.
    """
    json = _NO_XML.sub(lambda match: f"\\u{ord(match[0]):04x}", provenance)
    shown = _NO_XML.sub("\ufffd", description[:DESCRIPTION_LENGTH])
    text = _PACKET.format(
        provenance=escape(json, quote=False),
        description=escape(shown, quote=False),
        software=escape(software, quote=False),
    )
    return (_BEGIN + text).encode()


def is_own(body: bytes) -> bool:
    """Tell whether a packet was made here as a whole."""
    return body.startswith(_BEGIN.encode())


def provenance_of(body: bytes) -> str | None:
    """Give the JSON that a packet holds, whoever wrote the packet last."""
    match = _PROVENANCE.search(body.decode(errors="replace"))
    return unescape(match[1]) if match else None


def is_signed(body: bytes) -> bool:
    """Tell whether a packet names a C2PA manifest that is kept elsewhere.

    Source: C2PA technical specification 2.1, §11.5, embedding a reference.
    """
    return b"dcterms:provenance" in body
