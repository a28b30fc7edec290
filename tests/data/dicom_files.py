"""Small DICOM files, written by pydicom: what tests and attacks change."""

from __future__ import annotations

import io
import struct
from typing import Any

import numpy as np
import pydicom
from PIL import Image
from pydicom.dataset import Dataset, FileMetaDataset
from pydicom.encaps import encapsulate

EXPLICIT, IMPLICIT, BIG = "1.2.840.10008.1.2.1", "1.2.840.10008.1.2", "1.2.840.10008.1.2.2"
DEFLATED, JPEG, J2K, RLE = (f"1.2.840.10008.1.2.{end}" for end in ("1.99", "4.50", "4.90", "5"))

SECRETS = (b"Jane", b"MRN-4711", b"19510203", b"Nowhere")
"""Texts of the patient that every file holds."""


def dicom(pixels: np.ndarray, syntax: str = EXPLICIT, *, frame: bytes | None = None, **elements: Any) -> bytes:
    """A DICOM file of (H, W) or (H, W, 3), with a patient's name; `elements` by keyword, None = left out."""
    file = Dataset()
    file.PatientName, file.PatientID, file.PatientBirthDate = "Doe^Jane", "MRN-4711", "19510203"
    file.InstitutionName = "Clinic of Nowhere"
    file.Rows, file.Columns = pixels.shape[:2]
    file.SamplesPerPixel = 3 if pixels.ndim == 3 else 1
    file.PhotometricInterpretation = "RGB" if pixels.ndim == 3 else "MONOCHROME2"
    if pixels.ndim == 3:
        file.PlanarConfiguration = 0
    file.BitsAllocated = 8 * pixels.dtype.itemsize
    file.BitsStored = 12 if pixels.dtype.itemsize == 2 else file.BitsAllocated
    file.HighBit = file.BitsStored - 1
    file.PixelRepresentation = int(pixels.dtype.kind == "i")
    for name, value in elements.items():
        if value is None:
            delattr(file, name)
        else:
            setattr(file, name, value)
    order = ">" if syntax == BIG else "<"
    file.PixelData = (
        pixels.astype(pixels.dtype.newbyteorder(order)).tobytes() if frame is None else encapsulate([frame])
    )
    file["PixelData"].VR = "OB" if frame is not None or pixels.dtype.itemsize == 1 else "OW"
    file.file_meta = FileMetaDataset()
    file.file_meta.TransferSyntaxUID = syntax
    file.file_meta.MediaStorageSOPClassUID = "1.2.840.10008.5.1.4.1.1.7"
    file.file_meta.MediaStorageSOPInstanceUID = "1.2.3.4"
    written = io.BytesIO()
    pydicom.dcmwrite(written, file, enforce_file_format=True)
    return written.getvalue()


def compressed(picture: np.ndarray, kind: str, **options: Any) -> bytes:
    written = io.BytesIO()
    Image.fromarray(picture).save(written, kind, **options)
    return written.getvalue()


def rle(segments: list[bytes]) -> bytes:
    offsets = np.cumsum([64, *map(len, segments)])[:-1]
    return struct.pack("<16L", len(segments), *offsets, *[0] * (15 - len(segments))) + b"".join(segments)


def literal(values: bytes) -> bytes:
    runs = (values[at : at + 128] for at in range(0, len(values), 128))
    return b"".join(bytes([len(run) - 1]) + run for run in runs)
