"""Takes the address of a library's network apart, `timm:NAME@CHECKPOINT`, and looks at its file; no framework."""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import Path

from bias_audit.errors import ModelError
from bias_audit.files.regular import unreachable
from bias_audit.packages import require

NETWORK = re.compile(r"[A-Za-z0-9_][A-Za-z0-9_.\-]*", re.ASCII)
"""A network's name. No colon: `hf-hub:` and `local-dir:` lead timm elsewhere."""

NETWORKS = ("torchvision", "timm")
"""Libraries whose networks have an address."""

SAFETENSORS = ".safetensors"


@dataclass(frozen=True)
class Address:
    """The parts of `library:network@checkpoint`."""

    name: str
    library: str
    network: str
    checkpoint: Path


def address_of(name: str) -> Address:
    """Take an address apart and look at its file.

    Args:
        name: text that begins with the name of a library and a colon.

    Raises:
        ModelError: no network, no checkpoint, or a checkpoint that is no regular file.
        PackageError: a package that it needs is not installed.
    """
    library, _, rest = name.partition(":")
    network, at, checkpoint = rest.partition("@")
    example = f"{library}:{network if NETWORK.fullmatch(network) else 'resnet50'}@weights.pth"
    if not NETWORK.fullmatch(network):
        raise ModelError(f"{name!r} names no network of {library}", f"Write {example}.")
    if not at or not checkpoint:
        raise ModelError(
            f"{name!r} names no weights, and nothing is downloaded",
            f"Name a file with the weights: {example}.",
        )
    path = Path(checkpoint)
    if not path.is_file():
        what = "is not a regular file" if path.exists() else f"is not there{unreachable(path)}"
        raise ModelError(f"the checkpoint {checkpoint!r} of {library}:{network} {what}", f"Write {example}.")
    require("torch", repr(name))
    require(library, repr(name))
    if path.suffix.lower() == SAFETENSORS:
        require("safetensors", repr(name))
    return Address(name, library, network, path)
