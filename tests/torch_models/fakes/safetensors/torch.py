"""The format of safetensors for tensors of 32-bit floats: length of the header, header as JSON, values."""

from __future__ import annotations

import json
import math
from pathlib import Path

import torch


def save_file(tensors: dict[str, torch.Tensor], filename: str | Path) -> None:
    header, values = {}, b""
    for name, each in tensors.items():
        raw = each.float().contiguous().numpy().tobytes()
        header[name] = {
            "dtype": "F32",
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
        if end - start != 4 * math.prod(each["shape"]) or end > len(values) or each["dtype"] != "F32":
            raise Exception("Error while deserializing header: invalid offset")
        found[name] = torch.frombuffer(bytearray(values[start:end]), dtype=torch.float32).reshape(each["shape"])
    return found
