"""DICOM files: their pixels and nothing else. The only file that imports pydicom.

Of a file only the elements of TAGS are read; names, dates and identifiers of patients never become values here. Grey
levels are what a viewer shows: rescaled, by the file's window (the first, where it has several) or lookup table, to
0..255, and MONOCHROME1 turned so that white is dense; or the range that `--pixel-range` names, in rescaled values such
as Hounsfield units. A file without a window that holds more than 8 bits is not guessed at. Several frames are not read:
which of them training saw, no file says.
"""

from __future__ import annotations

import io
import logging
import re
import struct
import warnings
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from bias_audit.data.deep import Values, between, scaled
from bias_audit.data.opening import TooManyPixels, open_picture
from bias_audit.errors import PackageError
from bias_audit.input_texts import PixelRange
from bias_audit.limits.bounds import beyond
from bias_audit.packages import needed

if TYPE_CHECKING:
    from pydicom.dataset import Dataset

KIND = "DICOM"

TAGS = (
    "BitsAllocated", "BitsStored", "Columns", "HighBit", "ModalityLUTSequence", "NumberOfFrames",
    "PhotometricInterpretation", "PixelData", "PixelRepresentation", "PlanarConfiguration", "RescaleIntercept",
    "RescaleSlope", "Rows", "SamplesPerPixel", "VOILUTFunction", "VOILUTSequence", "WindowCenter", "WindowWidth",
)  # fmt: skip
"""The elements of a file that are read, by their keywords."""

_PREAMBLE = 128
_MARK = b"DICM"
BEGIN = _PREAMBLE + len(_MARK)
"""Bytes at the beginning of a file by which it is told."""

_SYNTAX = (0x0002, 0x0010)
_UID = re.compile(rb"1\.2\.[\d.]{1,60}")
_LONG = (b"OB", b"OD", b"OF", b"OL", b"OV", b"OW", b"SQ", b"SV", b"UC", b"UN", b"UR", b"UT", b"UV")
"""Value representations whose length takes four bytes."""

IMPLICIT, BIG = "1.2.840.10008.1.2", "1.2.840.10008.1.2.2"
PLAIN = (IMPLICIT, "1.2.840.10008.1.2.1", BIG)
"""Transfer syntaxes that do not compress."""

RLE = "1.2.840.10008.1.2.5"
OF_PILLOW: Mapping[str, tuple[str, ...]] = {
    "1.2.840.10008.1.2.4.50": ("JPEG",),
    "1.2.840.10008.1.2.4.51": ("JPEG",),
    "1.2.840.10008.1.2.4.90": ("JPEG2000",),
    "1.2.840.10008.1.2.4.91": ("JPEG2000",),
}
"""Transfer syntaxes that Pillow decompresses -> formats of a frame, as Pillow names them."""

GREY = ("MONOCHROME1", "MONOCHROME2")
FUNCTIONS = ("LINEAR_EXACT", "SIGMOID")
_AS_IT_IS = ([None, None, None], [None, 1, 0])
"""Lookup table, slope and intercept of a file whose stored values are its values."""

COLOUR = ("RGB", "YBR_FULL", "YBR_FULL_422", "YBR_ICT", "YBR_RCT")

# What pydicom finds odd about a file it would print in the middle of a progress bar. Set once, as warning filters are
# not safe to change in threads.
warnings.filterwarnings("ignore", module="pydicom")
logging.getLogger("pydicom").setLevel(logging.CRITICAL)


class Unread(ValueError):
    """A file that is not read; its text says why, as the end of a sentence.

    It holds no text of the file: a changed length makes one element of another, a transfer syntax of a name.
    """


def is_dicom(data: bytes) -> bool:
    """Whether a file is one of DICOM by its content, whatever it is called."""
    return data[_PREAMBLE:BEGIN] == _MARK


def shape(data: bytes, most: int) -> tuple[int, int]:
    """(height, width) of a DICOM file that is read, by its header.

    Args:
        data: its bytes.
        most: most pixels, see `Limits`.

    Raises:
        TooManyPixels: it declares more.
        Unread: it is damaged, or of a kind that is not read; or pydicom is not installed.
    """
    return _checked(data, most)[:2]


def decode_dicom(data: bytes, wanted: PixelRange | None, most: int) -> NDArray[np.uint8] | Values:
    """Decode a DICOM file.

    Args:
        data: its bytes.
        wanted: values, rescaled, that are black and white; None = by the window of the file.
        most: most pixels, see `Limits`.

    Returns:
        (H, W, 1) float32 in [0, 255] of grey; (H, W, 3) uint8 RGB of colours.

    Raises:
        TooManyPixels, Unread: as `shape`, or its grey levels have no range.
    """
    _, _, file = _checked(data, most)
    try:
        values = _values(file)
        if values.ndim == 3:
            return np.asarray(values, np.uint8)
        return _levels(file, values, wanted)[..., None]
    except Unread:
        raise
    except Exception as error:
        raise _damaged(error) from error


def _checked(data: bytes, most: int) -> tuple[int, int, Dataset]:
    """(height, width, the elements of TAGS) of a file whose pixels can be decoded within `most`."""
    syntax, start = _syntax(data)
    if syntax not in (*PLAIN, RLE, *OF_PILLOW):
        raise Unread(
            f"the transfer syntax {syntax} is not read: NumPy and Pillow cannot decompress it, and pylibjpeg, pyjpegls "
            "and GDCM, which may, are not used here; write it uncompressed, for instance with gdcmconv --raw"
        )
    file = _elements(data, start, syntax)
    try:
        height, width = int(file.Rows), int(file.Columns)
        frames = int(file.get("NumberOfFrames") or 1)
        samples = int(file.get("SamplesPerPixel") or 1)
        colours, bits = str(file.PhotometricInterpretation), int(file.BitsAllocated)
        there = bool(file.PixelData)
    except Exception as error:
        raise _damaged(error) from error
    if height < 1 or width < 1 or not there:
        raise Unread("it holds no pixels")
    if (total := height * width * max(1, frames)) > most:
        raise TooManyPixels(f"{frames} x {height}x{width} are {beyond('pixels', total, most)}")
    if frames > 1:
        raise Unread(f"it holds {frames} frames; write those that training saw as files of their own")
    allowed = {1: (GREY, (8, 16, 32)), 3: (COLOUR, (8,))}.get(samples)
    if allowed is None or colours not in allowed[0] or bits not in allowed[1]:
        said = colours if colours in (*GREY, *COLOUR, "PALETTE COLOR", "ARGB", "CMYK", "HSV") else "unknown colours"
        raise Unread(f"{samples} samples of {bits} bits as {said} are not read")
    if str(file.file_meta.TransferSyntaxUID) in PLAIN and len(file.PixelData) < height * width * _bytes(file):
        raise Unread(f"its data end too early for {height}x{width} pixels")
    return height, width, file


def _bytes(file: Dataset) -> float:
    """Bytes of a pixel of a file that is not compressed."""
    if file.PhotometricInterpretation == "YBR_FULL_422":
        return 2
    return int(file.get("SamplesPerPixel") or 1) * int(file.BitsAllocated) / 8


def _syntax(data: bytes) -> tuple[str, int]:
    """(transfer syntax, where the data set begins), by our own reading: pydicom unpacks a deflated file unasked."""
    at = BEGIN
    syntax = ""
    while at + 8 <= len(data):
        group, element, form = struct.unpack_from("<HH2s", data, at)
        if group != _SYNTAX[0]:
            break
        if form in _LONG:
            if at + 12 > len(data):
                break
            (length,), value = struct.unpack_from("<L", data, at + 8), at + 12
        else:
            (length,), value = struct.unpack_from("<H", data, at + 6), at + 8
        if value + length > len(data):
            raise Unread("damaged: its file meta information is cut off")
        if (group, element) == _SYNTAX:
            found = _UID.fullmatch(data[value : value + length].rstrip(b"\0 "))
            syntax = found[0].decode() if found else ""
        at = value + length
    if not syntax:
        raise Unread("damaged: it does not say its transfer syntax")
    return syntax, at


def _elements(data: bytes, start: int, syntax: str) -> Dataset:
    try:
        with needed("a DICOM picture"):
            from pydicom.datadict import tag_for_keyword
            from pydicom.dataset import FileMetaDataset
            from pydicom.filereader import read_dataset
            from pydicom.tag import Tag
            from pydicom.uid import UID
    except PackageError as error:
        raise Unread(error.message) from error
    tags: list[Any] = [Tag(tag) for tag in map(tag_for_keyword, TAGS) if tag is not None]
    try:
        file = read_dataset(io.BytesIO(data[start:]), syntax == IMPLICIT, syntax != BIG, specific_tags=tags)
        file.file_meta = FileMetaDataset()
        file.file_meta.TransferSyntaxUID = UID(syntax)
        return file
    except Exception as error:
        raise _damaged(error) from error


def _damaged(error: Exception) -> Unread:
    """What is said of a file on which pydicom failed, which raises anything: never its words, which quote the file."""
    return Unread(f"damaged, or no picture that pydicom decodes ({type(error).__name__})")


def _values(file: Dataset) -> NDArray[Any]:
    """Stored values: (H, W) of grey, (H, W, 3) of RGB."""
    from pydicom.encaps import encapsulate, get_frame
    from pydicom.pixels import get_decoder

    syntax = str(file.file_meta.TransferSyntaxUID)
    plugin = ""
    if syntax not in PLAIN:
        frame = get_frame(file.PixelData, 0, number_of_frames=1)
        plugin = _check_rle(frame, file) if syntax == RLE else _check_frame(frame, file, OF_PILLOW[syntax])
        file.PixelData = encapsulate([frame])  # what was checked is what is decoded
        file.NumberOfFrames = 1
    values, _ = get_decoder(file.file_meta.TransferSyntaxUID).as_array(file, index=0, decoding_plugin=plugin)
    return np.asarray(values)


def _check_frame(frame: bytes, file: Dataset, formats: tuple[str, ...]) -> str:
    """Refuse a compressed frame of another size than the file declares, before it is decoded."""
    try:
        with open_picture(io.BytesIO(frame), int(file.Rows) * int(file.Columns)) as image:
            found, size = image.format, image.size
    except TooManyPixels as error:
        raise Unread("its frame holds more pixels than it declares") from error
    if found not in formats or size != (int(file.Columns), int(file.Rows)):
        raise Unread(f"its frame is a {found} of {size[1]}x{size[0]}, not what it declares")
    return "pillow"


def _check_rle(frame: bytes, file: Dataset) -> str:
    """Refuse runs that unpack to more than the picture: two bytes may stand for 128."""
    count, *offsets = struct.unpack_from("<16L", frame)
    most = int(file.Rows) * int(file.Columns)
    ends = [*offsets[1 : min(count, 15)], len(frame)]
    for start, end in zip(offsets, ends, strict=False):
        at, length = start, 0
        while at < min(end, len(frame)):
            byte = frame[at]
            length += byte + 1 if byte < 128 else 257 - byte if byte > 128 else 0
            at += byte + 2 if byte < 128 else 2 if byte > 128 else 1
            if length > most + 1:  # padding to an even length is allowed
                raise Unread("its runs unpack to more pixels than it declares")
    return "pydicom"


def _levels(file: Dataset, values: NDArray[Any], wanted: PixelRange | None) -> Values:
    """Grey levels (H, W) in [0, 255] of stored values."""
    levels: NDArray[Any]
    if wanted == "full":
        bits, signed = int(file.BitsStored), bool(file.get("PixelRepresentation"))
        low = -(2 ** (bits - 1)) if signed else 0
        levels = between(values, low, low + 2**bits - 1)
    else:
        rescaled = _rescaled(file, values)
        if not np.isfinite(rescaled).all():
            raise Unread("its rescaled values are not finite")
        levels = scaled(rescaled, wanted) if wanted is not None else _as_shown(file, rescaled)
    return np.asarray(255 - levels if file.PhotometricInterpretation == "MONOCHROME1" else levels, np.float32)


def _rescaled(file: Dataset, values: NDArray[Any]) -> NDArray[Any]:
    if file.get("ModalityLUTSequence"):
        return _looked_up(file, values, file.ModalityLUTSequence[0])[0]
    slope, intercept = file.get("RescaleSlope"), file.get("RescaleIntercept")
    if slope is None or intercept is None:
        return values.astype(np.float64)
    return np.asarray(values * float(slope) + float(intercept), np.float64)


def _as_shown(file: Dataset, rescaled: NDArray[Any]) -> NDArray[Any]:
    """Rescaled values by the lookup table or the window of the file, in [0, 255] (DICOM PS3.3, C.11.2)."""
    if file.get("VOILUTSequence"):
        looked, bits = _looked_up(file, rescaled, file.VOILUTSequence[0])
        return np.asarray(looked * (255 / (2**bits - 1)))
    centre, width = (_first(file.get(name)) for name in ("WindowCenter", "WindowWidth"))
    if centre is None or width is None:
        rescales = [file.get(name) for name in ("ModalityLUTSequence", "RescaleSlope", "RescaleIntercept")]
        if int(file.BitsStored) == 8 and not file.get("PixelRepresentation") and rescales in _AS_IT_IS:
            return rescaled  # a picture of 8 bits, such as a screenshot
        raise Unread(
            f"{file.BitsStored} bits without a window; say which values training read as black and white: "
            "--pixel-range LOW,HIGH"
        )
    function = str(file.get("VOILUTFunction") or "LINEAR").upper()
    least = 1 if function == "LINEAR" else 0
    if not (np.isfinite((centre, width)).all() and width > 0 and width >= least):
        raise Unread(f"its window has a width of {width:g}")
    if function == "SIGMOID":
        with np.errstate(over="ignore"):
            return np.asarray(255 / (1 + np.exp(-4 * (rescaled - centre) / width)))
    if function == "LINEAR":
        centre, width = centre - 0.5, width - 1
    elif function not in FUNCTIONS:
        raise Unread(f"its window has a function that is none of LINEAR, {', '.join(FUNCTIONS)}")
    if width == 0:  # a window of 1: black up to its centre, white beyond
        return np.where(rescaled > centre, 255.0, 0.0)
    return between(rescaled, centre - width / 2, centre + width / 2)


def _looked_up(file: Dataset, values: NDArray[Any], item: Dataset) -> tuple[NDArray[Any], int]:
    """(values of a lookup table for values, bits of its entries); values beyond its ends get the entry at the end."""
    entries, first, bits = (int(each) for each in item.LUTDescriptor)
    entries = entries or 2**16
    if file.get("PixelRepresentation") and first >= 2**15:  # written as if it had no sign
        first -= 2**16
    if not 1 <= bits <= 16:
        raise Unread(f"its lookup table has entries of {bits} bits")
    data = item.LUTData
    if isinstance(data, bytes):
        byte = len(data) < 2 * entries
        order = ">" if file.file_meta.TransferSyntaxUID == BIG else "<"
        data = np.frombuffer(data, np.uint8 if byte else f"{order}u2")
    table = np.asarray(data, np.float64)[:entries]
    if len(table) != entries:
        raise Unread("its lookup table is cut off")
    places = np.clip(np.rint(values.astype(np.float64) - first), 0, entries - 1).astype(np.int64)
    return table[places], bits


def _first(value: Any) -> float | None:
    """The first of the values of an element; None where it has none."""
    if value is None or value == "":
        return None
    try:
        return float(value)
    except TypeError:
        return float(value[0])
