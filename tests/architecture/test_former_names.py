"""Names that format version 3 replaced stand in one file (`run.versions`), and nowhere else."""

from __future__ import annotations

import re
from pathlib import Path

SOURCE = Path(__file__).parents[2] / "bias_audit"
FORMER = re.compile(
    r"cluster_(?:id|spots|key)|n_clusters|invalid_probes|\.clusters\b|['\"]clusters?['\"]|clusters\.csv"
    r"|(?:result|run|old|new)\.probes\b|\.get\(['\"]probes?['\"]\)|\[['\"]probes?['\"]\]|probes\.csv"
)
STAY = {
    "run/versions.py": "maps them to those of today",
    "run/identity.py": "a key of decisions is made with the former word, so that they are found again",
    "planted/benchmark/unit.py": "scenes on which the truth is measured are called probes",
}


def test_former_names_are_in_one_file() -> None:
    found: dict[str, str] = {}
    for file in sorted(SOURCE.rglob("*")):
        name = file.relative_to(SOURCE).as_posix()
        if file.suffix in (".py", ".html", ".js", ".css", ".json", ".md") and not name.startswith("stats/"):
            hit = FORMER.search(file.read_text(encoding="utf-8"))
            found |= {name: hit[0]} if hit else {}
    assert found.keys() == STAY.keys(), found
