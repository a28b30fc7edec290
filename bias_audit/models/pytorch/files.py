"""What a file of PyTorch holds, told by its content and without importing PyTorch: a program, or weights."""

from __future__ import annotations

import zipfile
from pathlib import Path

from bias_audit.files.regular import open_regular

SUFFIXES = (".pt", ".pth", ".pt2", ".ts", ".bin", ".ckpt", ".safetensors")
"""Endings of such files."""


PROGRAMS = {"torchscript": "TorchScript", "torch.export": "torch.export"}
"""Beginning of the address of a program -> what such a program is called."""


def told(path: Path) -> tuple[str, str]:
    """(what is wrong with a file of PyTorch as a model, what to do)."""
    kind = program_in(path)
    if kind is None:
        return (
            f"{str(path)!r} is no model: it is no program of PyTorch, and weights alone are no network",
            f"Name the network that they are of, torchvision:NAME@{path} or timm:NAME@{path}, or the function that "
            "builds it and loads them, module:function.",
        )
    return (
        f"{str(path)!r} is a program of {PROGRAMS[kind]}: running it runs whatever it says",
        f"If you trust where it comes from, name it so: {kind}:{path}",
    )


def program_in(path: Path) -> str | None:
    """Kind of the program in a file, a key of PROGRAMS; None = it holds none."""
    try:
        with open_regular(path) as file, zipfile.ZipFile(file) as archive:
            parts = [name.split("/") for name in archive.namelist()]
    except (OSError, ValueError, zipfile.BadZipFile, NotImplementedError):
        return None
    if any("code" in each[:-1] for each in parts):
        return "torchscript"
    ends = ("models", "serialized_exported_program.json")
    return "torch.export" if any(end in each for each in parts for end in ends) else None
