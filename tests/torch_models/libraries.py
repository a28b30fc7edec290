"""Puts the small stand-ins of torchvision, timm, Transformers and safetensors on the path, and takes them away."""

from __future__ import annotations

import contextlib
import sys
from collections.abc import Iterator
from pathlib import Path

FAKES = Path(__file__).parent / "fakes"
NAMES = tuple(each.name for each in FAKES.iterdir() if each.is_dir() and not each.name.startswith("_"))


@contextlib.contextmanager
def on_the_path() -> Iterator[None]:
    """A context in which `import torchvision` and the like find the stand-ins."""
    forget()
    sys.path.insert(0, str(FAKES))
    try:
        yield
    finally:
        sys.path.remove(str(FAKES))
        forget()


def forget() -> None:
    """Forget the modules of these names, whoever's they are."""
    for name in [each for each in sys.modules if each.partition(".")[0] in NAMES]:
        del sys.modules[name]
