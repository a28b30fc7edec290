"""The format of safetensors for 32-bit floats and 64-bit integers: length of the header, header as JSON, values."""

from __future__ import annotations

import json
import math
from pathlib import Path

import torch

DTYPES = {"F32": torch.float32, "I64": torch.int64}
NAMES = {dtype: name for name, dtype in DTYPES.items()}


def save_file(tensors: dict[str, torch.Tensor], filename: str | Path) -> None:
    header, values = {}, b""
    for name, each in tensors.items():
        raw = each.numpy().tobytes()
        header[name] = {
            "dtype": NAMES[each.dtype],
            "shape": list(each.shape),
            "data_offsets": [len(values), len(values) + len(raw)],
        }
        values += raw
    text = json.dumps(header).encode()
    Path(filename).write_bytes(len(text).to_bytes(8, "little") + text + values)


def load_file(filename: str | Path, device: str = "cpu") -> dict[str, torch.Tensor]:
    data = Path(filename).read_bytes()
    length = int.from_bytes(data[:8], "little")
    if len(data) < 8 or length > len(data) - 8:
        raise Exception("Error while deserializing header: header too large")
    values = data[8 + length :]
    found = {}
    for name, each in json.loads(data[8 : 8 + length]).items():
        start, end = each["data_offsets"]
        dtype = DTYPES.get(each["dtype"])
        if dtype is None or end - start != dtype.itemsize * math.prod(each["shape"]) or end > len(values):
            raise Exception("Error while deserializing header: invalid offset")
        found[name] = torch.frombuffer(bytearray(values[start:end]), dtype=dtype).reshape(each["shape"])
    return found
