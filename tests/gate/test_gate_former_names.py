"""A gate.toml of an older version: its names are read as those of today, and told."""

from __future__ import annotations

from pathlib import Path

import pytest
from gate_runs import judged, read, run_of, stored

from bias_audit.errors import ConfigError

FORMER = """
[fail]
cluster = "none"

[warn]
cluster = "WATCH"

[[metric]]
table = "cluster"
name = "odds_ratio"
max = 2

[[metric]]
table = "class"
name = "n_clusters"
min = 5
"""
PRESENT = FORMER.replace("n_clusters", "n_units").replace("cluster", "cue")


def test_a_file_with_former_names_says_what_it_said(tmp_path: Path) -> None:
    former, present = read(tmp_path, FORMER), read(tmp_path, PRESENT)
    assert (former.values, former.metrics) == (present.values, present.metrics)
    assert former.line("fail", "cue") == present.line("fail", "cue") == 3
    assert [said.removeprefix(str(tmp_path)) for said in former.former] == [
        "/gate.toml, line 3: 'cluster' is called 'cue' now.",
        "/gate.toml, line 6: 'cluster' is called 'cue' now.",
        "/gate.toml, line 9: 'cluster' is called 'cue' now.",
        "/gate.toml, line 15: 'n_clusters' is called 'n_units' now.",
    ]
    assert present.former == ()


def test_the_gate_tells_it(tmp_path: Path) -> None:
    cue = {"cue_id": "w-1", "class_name": "wolf", "n": 9, "odds_ratio": 30, "odds_ratio_low": 3, "odds_ratio_high": 300}
    gate = judged(tmp_path, stored(tmp_path / "run", run_of(), cues=[cue]), FORMER)
    assert sum("is called" in note for note in gate.notes) == 4
    assert [(row.scope, row.subject, row.measured) for row in gate.rows if row.scope == "cue"] == [("cue", "w-1", 30)]


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ('[fail]\ncue = "none"\ncluster = "WATCH"', r"line 3: .*cluster.* is the former name of cue, which is there"),
        ('[fail]\ncluster = "WHATCH"', r"line 2: .*must be one of"),
        ("[fail]\ncluster = 3", r"line 2: .*must be one of"),
        ("fail = 3", r"must be a table"),
        ("metric = 3", r"must be tables"),
        ("metric = [3]", r"must be tables"),
        ('[[metric]]\ntable = "cluster"\nname = "odds"', r"line 3: there is no metric 'odds' in table 'cue'"),
        ('[[metric]]\ntable = ["cluster"]\nname = "n"', r"line 2: .*must be one of"),
    ],
)
def test_what_is_wrong_in_it_is_one_sentence_with_its_line(tmp_path: Path, text: str, said: str) -> None:
    with pytest.raises(ConfigError, match=said) as caught:
        read(tmp_path, text)
    assert "\n" not in caught.value.message
