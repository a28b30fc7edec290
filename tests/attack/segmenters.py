"""Segmenters as ONNX files: changed bytes, operations of libraries, and tensors that lie in other files."""

from __future__ import annotations

import importlib.util
from pathlib import Path
from random import Random
from typing import Any

from .beside import module
from .changing import changed_bytes
from .trying import EXECUTED, REFUSED, WRONG, Attempt, Kind, sentence


def onnx_files(attempt: Attempt) -> str:
    """A changed or hostile .onnx file: a sentence, or a segmenter whose masks are read as those of any other."""
    from bias_audit.models.onnx.safety import check_onnx

    files, rng = module("models", "onnx_files"), attempt.rng
    path = attempt.folder / "net.onnx"
    hostile = rng.random() < 0.5
    if hostile:
        content, attempt.what = _hostile(files, rng, attempt.folder)
    else:
        content, attempt.what = changed_bytes(files.colours(sides=rng.choice(((8, 8), ("h", "w")))), rng)
    path.write_bytes(content)
    answer = sentence(lambda: check_onnx(path, content))
    if hostile and answer != REFUSED:
        attempt.bad(WRONG, "it was let through")
    if importlib.util.find_spec("onnxruntime") is not None:
        answer = sentence(lambda: _used(path))
    if left := [each.name for each in attempt.folder.rglob("*") if each != path]:
        attempt.bad(EXECUTED, f"{left} is there")
    return answer


def _used(path: Path) -> None:
    """Estimate a mask as an audit does: the segmenter is loaded, called, and its answer checked."""
    import numpy as np

    from bias_audit.models.segmenters.loading import find_estimate

    estimate = find_estimate(str(path))
    assert estimate is not None
    estimate("a picture", np.zeros((12, 10, 3), np.uint8))


def _hostile(files: Any, rng: Random, folder: Path) -> tuple[bytes, str]:
    """A file that asks for more than the ONNX standard, at some depth, and what it asks for."""
    domain = rng.choice(
        ("ai.onnx.contrib", "com.microsoft", "com.microsoft.extensions", "my.library", "ai.onnx.training")
    )
    elsewhere = rng.choice(("/etc/passwd", "../weights", str(folder / "w"), "w", "file:///etc/passwd"))
    if rng.random() < 0.5:
        piece = files.graph(files.node(rng.choice(("PyOp", "EPContext", "ReadFile")), ("x",), ("y",), domain=domain))
        what = f"an operation of {domain}"
    else:
        piece = files.graph(tensors=[files.tensor("w", (1,), (), elsewhere=elsewhere)])
        what = f"a tensor in {elsewhere}"
    depth = rng.choice((0, 1, 3, 100))
    for _ in range(depth):
        body = files.field(5, files.field(1, "body") + files.field(rng.choice((6, 11)), piece))
        piece = files.graph(files.node(rng.choice(("If", "Loop", "Scan")), ("x",), ("y",), attributes=body))
    return files.model(piece), f"{what}, {depth} graphs deep"


def prepare(folder: Path) -> None:
    """Nothing is shared: every try writes a file of its own."""


KINDS = {"segmenters: onnx files": Kind(onnx_files, prepare, 15, 8)}
