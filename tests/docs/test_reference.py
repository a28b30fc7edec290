"""The reference pages, which are made when the site is built, hold everything that the code has."""

from __future__ import annotations

import argparse
import dataclasses
import re
import sys
from pathlib import Path

import pytest

import bias_audit
from bias_audit.checks import registry
from bias_audit.checks.thresholds import Thresholds
from bias_audit.cli.command_line import _parser
from bias_audit.config import AuditConfig
from bias_audit.data.sources.options import SourceOptions
from bias_audit.gate.keys import KEYS
from bias_audit.gate.states import STATES
from bias_audit.limits.bounds import Limits
from bias_audit.run.schema import TABLES

ROOT = Path(__file__).parents[2]
sys.path.insert(0, str(ROOT / "docs" / "site"))

import checked  # noqa: E402
import reference  # noqa: E402

PAGES = reference.pages()


def parsers() -> dict[str, argparse.ArgumentParser]:
    (choices,) = (each.choices for each in _parser([])._actions if isinstance(each, argparse._SubParsersAction))
    return dict(choices)


@pytest.mark.parametrize("name", parsers())
def test_every_option_of_every_command(name):
    section = PAGES["reference/commands.md"].split(f"## bias-audit {name}\n")[1].split("\n## ")[0]
    terms = re.findall(r"^`(.+)`\n: ", section, re.MULTILINE)
    flags = {word.rstrip(",") for term in terms for word in term.split() if word.startswith("-")}
    wanted = {flag for action in parsers()[name]._actions for flag in action.option_strings}
    hidden = {flag for a in parsers()[name]._actions if a.help == argparse.SUPPRESS for flag in a.option_strings}
    assert flags == wanted - hidden
    assert not re.search(r"\n: *\n", section), "an option without a text"


@pytest.mark.parametrize("kind", [AuditConfig, Thresholds, Limits, SourceOptions])
def test_every_setting_has_its_text(kind):
    left_out = (
        {"outside", "fetch", "limits", "seed", "group_by"} if kind is SourceOptions else set(reference.NOT_IN_A_FILE)
    )
    for field in dataclasses.fields(kind):
        if field.name not in left_out:
            assert re.search(rf"^`{field.name}` \(.+\)\n: \S", PAGES["reference/configuration.md"], re.MULTILINE), (
                field.name
            )


def test_every_rule_column_state_and_key():
    for _, rule in registry.rules():
        assert f"| [{rule.code}](rules/{rule.code}.md) |" in PAGES["reference/rules.md"]
        assert PAGES[f"reference/rules/{rule.code}.md"].startswith(f"# {rule.code}: {rule.title}\n")
    for table, columns in TABLES.items():
        section = PAGES["reference/columns.md"].split(f"## {table}\n")[1].split("\n## ")[0]
        assert re.findall(r"^\| `(\w+)` \|", section, re.MULTILINE) == [column.name for column in columns]
    assert all(f"| `{state}` |" in PAGES["reference/gate.md"] for state in STATES)
    assert all(f"| `{key.name}` |" in PAGES["reference/gate.md"] for key in KEYS)


def test_every_public_name():
    named = set(re.findall(r"bias_audit\.(\w+)$", PAGES["reference/python.md"], re.MULTILINE))
    assert named == set(bias_audit.__all__) - {"__version__"}


def test_signs_of_markdown_are_shown_as_they_are():
    assert reference._escaped("a_b *c* <d> [e] f|g `h_i|j`") == r"a\_b \*c\* \<d\> \[e\] f\|g `h_i\|j`"


def test_a_built_site_with_faults_is_told(tmp_path):
    (tmp_path / "sub").mkdir()
    (tmp_path / "sub" / "b.html").write_text('<a href="../a.html#there">x</a><a href="../a.html#gone">x</a>')
    (tmp_path / "a.html").write_text(
        '<h1 id="there"></h1><a href="sub/">x</a><a href="https://x.y">x</a><link rel="canonical" href="https://x.y">'
        '<script src="https://cdn/x.js"></script><img src="no.png"><img src="data:image/png;base64,aa">'
    )
    assert checked.faults(tmp_path) == [
        "a.html: sub/ leads to no file",
        "a.html: loads https://cdn/x.js from the network",
        "a.html: no.png leads to no file",
        "sub/b.html: ../a.html#gone leads to no place in that page",
    ]
