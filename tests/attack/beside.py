"""Modules of other folders of tests, which an attack borrows: they are imported when a try needs them, not before."""

from __future__ import annotations

import importlib
import sys
from pathlib import Path
from typing import Any


def module(folder: str, name: str) -> Any:
    """The module `tests/FOLDER/NAME.py`."""
    path = str(Path(__file__).parents[1] / folder)
    if path not in sys.path:
        sys.path.append(path)
    return importlib.import_module(name)
