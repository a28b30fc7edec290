"""Reads XML that others wrote. It declares nothing: a document type, and with it every entity, is refused unread."""

from __future__ import annotations

from typing import NoReturn
from xml.etree.ElementTree import Element, TreeBuilder
from xml.parsers import expat

DEEPEST = 50
"""Most elements inside each other. An annotation of Pascal VOC has five."""

_NEEDLESS = "it declares a document type, which an annotation needs none of and which can hold entities"


def parse_xml(data: bytes) -> Element:
    """The root of an XML document.

    Args:
        data: the whole document; whoever reads it bounds its size.

    Raises:
        ValueError: no XML, a document type, or elements too deep; the text says what and where.
    """
    builder, depth = TreeBuilder(), 0
    parser = expat.ParserCreate()
    parser.buffer_text = True  # a text comes in one piece, however it is cut

    def start(tag: str, attributes: dict[str, str]) -> None:
        nonlocal depth
        depth += 1
        if depth > DEEPEST:
            raise ValueError(f"elements lie more than {DEEPEST} deep: line {parser.CurrentLineNumber}")
        builder.start(tag, attributes)

    def end(tag: str) -> None:
        nonlocal depth
        depth -= 1
        builder.end(tag)

    def refuse(*_: object) -> NoReturn:
        raise ValueError(f"{_NEEDLESS}: line {parser.CurrentLineNumber}")

    parser.StartElementHandler = start
    parser.EndElementHandler = end
    parser.CharacterDataHandler = builder.data
    # Expat fetches nothing by itself, and without a document type there is no entity but the five of XML.
    parser.StartDoctypeDeclHandler = refuse
    parser.EntityDeclHandler = refuse
    parser.ExternalEntityRefHandler = refuse
    try:
        parser.Parse(data, True)
    except expat.ExpatError as error:
        raise ValueError(f"no valid XML: {error}") from error
    except LookupError as error:  # an encoding that Python does not know
        raise ValueError(f"no valid XML: {error}") from error
    return builder.close()
