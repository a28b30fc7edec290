"""Brings numbers that an ONNX file keeps in other files into it, from the folder of the model and nowhere else.

A snapshot of Hugging Face's cache counts with the `blobs` that it links to.

The runtime would open whatever path a file names, after anybody's check of it. So each file is read here, once, and the
runtime gets a model without other files.
"""

from __future__ import annotations

import math
import os
from dataclasses import dataclass
from hashlib import sha256
from pathlib import Path

from bias_audit.errors import reason_of
from bias_audit.files.regular import open_regular
from bias_audit.limits.bounds import Limits, beyond
from bias_audit.models.onnx.proto import ENTRY, GRAPH, MODEL, TENSOR, fields, integers, pieces, replaced, text, written
from bias_audit.models.onnx.safety import is_external, refusal, sound
from bias_audit.models.reading import blobs_of

MOST = 2**31 - 1
"""Most bytes of one protocol buffer, and so of a model that the runtime gets in one piece."""

BYTES = {1: 4, 2: 1, 3: 1, 4: 2, 5: 2, 6: 4, 7: 8, 9: 1, 10: 2, 11: 8, 12: 4, 13: 8, 16: 2, 17: 1, 18: 1, 19: 1, 20: 1}
"""Type of a tensor's numbers (TensorProto.DataType) -> bytes of each; types of less than a byte are not among them."""

AGAIN = "Save the model as one file (onnx.save_model without external data)."


@dataclass(frozen=True)
class Place:
    """Where the numbers of a tensor lie.

    Attributes:
        location: path of the file, from the folder of the model.
        offset: bytes before them.
        length: their bytes.
    """

    location: str
    offset: int
    length: int


def inlined(path: Path, content: bytes, limits: Limits) -> tuple[bytes, str]:
    """A model with all of its numbers in it, and what names it.

    Args:
        path: path of the file.
        content: its bytes, after `safety.check_onnx`.
        limits: what file and other files may cost together.

    Returns:
        (the model, SHA-256 of the file and of the other files, by name).

    Raises:
        ModelError: a file that is missing, too short, no regular file or outside of the folder, or that is too large.
    """
    with sound(refusal("model", path), "what it says of numbers in other files is damaged"):
        return _inlined(path, memoryview(content), limits)


def _inlined(path: Path, content: memoryview, limits: Limits) -> tuple[bytes, str]:
    (graph,) = pieces(content, MODEL["graph"])
    places = [_place(each) for each in pieces(graph, GRAPH["initializers"]) if is_external(each)]
    if (size := len(content) + sum(place.length for place in places)) > MOST:
        raise refusal("model", path)(f"with its other files it has {size:,} bytes, and 2 GiB is the most", "")
    files = _read(path, sorted({place.location for place in places}), len(content), limits)

    def filled(tensor: memoryview) -> bytes | None:
        if not is_external(tensor):
            return None
        place = _place(tensor)
        numbers = files[place.location][place.offset : place.offset + place.length]
        if len(numbers) < place.length:
            raise refusal("model", path)(f"{_shown(place.location)} is too short for the numbers in it", AGAIN)
        dropped = (TENSOR["external"], TENSOR["location"], TENSOR["raw"])
        kept = b"".join(part.raw for part in fields(tensor) if part.number not in dropped)
        return kept + written(TENSOR["raw"], numbers)

    made = replaced(content, MODEL["graph"], lambda whole: replaced(whole, GRAPH["initializers"], filled))
    digest = sha256(sha256(content).digest())
    for location, data in files.items():
        digest.update(f"{location}\0{sha256(data).hexdigest()}\n".encode())
    return made, digest.hexdigest()


def _place(tensor: object) -> Place:
    """Where the numbers of a tensor lie; ValueError where it does not say so, or in another way than the standard."""
    entries = {text(each, ENTRY["key"]): text(each, ENTRY["value"]) for each in pieces(tensor, TENSOR["external"])}
    sides, (kind, *_) = integers(tensor, TENSOR["dims"]), integers(tensor, TENSOR["type"])[::-1] or (0,)
    if not entries.get("location") or any(side < 0 for side in sides) or kind not in BYTES:
        raise ValueError("a tensor without a place")
    length = math.prod(sides) * BYTES[kind]
    offset = _number(entries.get("offset", "0"))
    if _number(entries.get("length", str(length))) != length:
        raise ValueError("a tensor of another length than its shape has")
    return Place(entries["location"], offset, length)


def _number(digits: str) -> int:
    if not (digits.isascii() and digits.isdecimal() and len(digits) < 19):
        raise ValueError("no number of bytes")
    return int(digits)


def _read(path: Path, locations: list[str], size: int, limits: Limits) -> dict[str, bytes]:
    """Location -> bytes of each file; together with the model's own `size` they are no more than the limit."""
    refused, folder = refusal("model", path), path.parent.resolve()
    files: dict[str, bytes] = {}
    for location in locations:
        given = Path(location)
        if given.is_absolute() or ".." in given.parts or "\0" in location:
            raise refused(f"it keeps numbers in {_shown(location)}, which is no path within its folder", AGAIN)
        try:
            real = (folder / given).resolve(strict=True)
            if not real.is_relative_to(folder) and real.parent != blobs_of(folder):
                raise refused(
                    f"it keeps numbers in {_shown(location)}, a link that leads out of its folder",
                    "Put the file itself beside the model.",
                )
            with open_regular(real) as file:
                size += (length := os.fstat(file.fileno()).st_size)
                if size > limits.weights_bytes:
                    told = beyond("weights_bytes", size, limits.weights_bytes)
                    raise refused(f"with its other files it has {told}", "")
                files[location] = file.read(length)
        except (OSError, RuntimeError) as error:  # RuntimeError: links that lead in a circle
            why = reason_of(error) if isinstance(error, OSError) else "links that lead in a circle"
            raise refused(f"it keeps numbers in {_shown(location)}: {why}", "Put the file beside the model.") from error
    return files


def _shown(name: str) -> str:
    return repr(" ".join(name.split())[:80])
