"""Every kind of attack, by name, and those that are known to get through."""

from __future__ import annotations

from . import audits, decision_stores, gate_files, models, pictures, run_folders, settings
from .trying import Kind

KINDS: dict[str, Kind] = {
    **run_folders.KINDS,
    **gate_files.KINDS,
    **decision_stores.KINDS,
    **pictures.KINDS,
    **settings.KINDS,
    **models.KINDS,
    **audits.KINDS,
}
"""Name -> kind, in the order of the table. A new kind is a function in the file of what it attacks and a line there."""

OPEN: dict[str, str] = {
    "commands on damaged runs": "11",
    "gate.toml: text": "11",
    "gate.toml: deep and long": "11",
    "decisions.sqlite: bytes": "11",
    "decisions.sqlite: rows": "11",
    "bombs": "12",
    "no files and odd names": "9",
    "folders that cannot be read": "8",
    "tables of images and boxes": "11",
    "class maps": "11",
    "settings": "11",
    "labels and names of cues": "11",
    "training folders": "11",
    "audits killed and resumed": "10",
    "two audits into one folder": "7",
    "data changed during an audit": "6",
    "damaged shards resumed": "10",
    "damaged shards rescored": "10",
}
"""Kind -> item of issue 16 that is to close it. Quick runs leave these out, full ones count them; to be empty."""
