"""Reference pages that are made from the code: commands, settings, rules, columns, gate, Python.

Nothing of them is committed, so nothing of them can be out of date: `build.py` makes them each time, and
`tests/docs/test_reference.py` asks whether every command, option, setting, rule, column and state is there.
"""

from __future__ import annotations

import argparse
import dataclasses
import inspect
import os
import re
from collections.abc import Iterator
from unittest import mock

import bias_audit
from bias_audit.checks import registry
from bias_audit.checks.rule_texts import every_rule
from bias_audit.checks.thresholds import Thresholds
from bias_audit.cli.command_line import _parser
from bias_audit.config import AuditConfig
from bias_audit.data.sources.options import SourceOptions
from bias_audit.gate.ci import READY, ready_file
from bias_audit.gate.example import example
from bias_audit.gate.keys import KEYS
from bias_audit.gate.metrics import METRICS
from bias_audit.gate.states import STATES
from bias_audit.limits.bounds import Limits
from bias_audit.run.schema import TABLES

NOT_IN_A_FILE = ("class_map", "extra", "left_open", "limits")
"""Fields of `AuditConfig` that no key of [audit] sets."""

ERRORS = ["BiasAuditError", "ConfigError", "DataError", "ModelError", "PackageError", "ResultError"]


def pages() -> dict[str, str]:
    """Path on the site -> Markdown of every generated page, in the order in which the site lists them."""
    rules = {f"reference/rules/{rule.code}.md": rule.markdown() for rule in every_rule()}
    return {
        "reference/commands.md": commands(),
        "reference/configuration.md": configuration(),
        "reference/rules.md": rule_list(),
        "reference/columns.md": columns(),
        "reference/gate.md": gate(),
        "reference/python.md": python(),
        **rules,
    }


def commands() -> str:
    """Every command with its arguments, as its parser knows them."""
    with mock.patch.dict(os.environ, COLUMNS="100"):
        parser = _parser([])
        return _told(parser)


def _told(parser: argparse.ArgumentParser) -> str:
    parts = [
        "# Commands",
        "What `bias-audit COMMAND --help` prints. Every flag may be shortened as long as it stays unambiguous.",
        f"```text\n{parser.epilog}\n```",
    ]
    for name, command in _commands(parser).items():
        parts += [f"## bias-audit {name}", _sentence(command.description or "")]
        places = [str(each.metavar or each.dest) for each in command._actions if not each.option_strings]
        parts.append("```text\n" + " ".join(["bias-audit", name, "[OPTIONS]", *places]) + "\n```")
        for group in command._action_groups:
            if entries := [_option(command, each) for each in group._group_actions if each.help != argparse.SUPPRESS]:
                title = {"positional arguments": "Arguments", "options": "Options"}.get(str(group.title), group.title)
                parts += [f"### {_sentence(str(title))[:-1]}", *entries]
    return "\n\n".join(parts) + "\n"


def configuration() -> str:
    """Every key of the file for --config, from the docstrings of the classes that hold the values."""
    parts = [
        "# Configuration",
        "`--config FILE` names a TOML file with three tables, all optional. A flag on the command line goes before the "
        "file, the file before the default. The same names are arguments of `bias_audit.audit(...)`; `extra`, `limits` "
        "and `class_map` are given there as mappings, on the command line as `--limit NAME=NUMBER` and "
        "`--class-map FILE`. Options of checks of other packages are keys of `[audit]` as well.",
        '```toml\n[audit]\npreprocess = "signed"\ngroup_by = "patient"\n\n[thresholds]\nmin_gap = 0.05\n\n[limits]\n'
        "pixels = 2e8\n```",
        "## [audit]",
        "They decide the numbers of an audit, so a run with another value is another run.",
        *_fields(AuditConfig, NOT_IN_A_FILE),
        "## [thresholds]",
        "They decide what the numbers are called. `bias-audit rescore` applies others to a finished run, without the "
        "model. The reasons in full: [science](../science.md#thresholds).",
        *_fields(Thresholds),
        "## [limits]",
        "What one file may cost before it is refused.",
        *_fields(Limits),
        "## How data are read",
        "Flags of the same names, with hyphens; no table of the file.",
        *_fields(SourceOptions, ("outside", "fetch", "limits", "seed", "group_by")),
    ]
    return "\n\n".join(parts) + "\n"


def rule_list() -> str:
    """A table of all rules, each with a link to its page."""
    rows = ["| rule | | subject | highest level |", "|---|---|---|---|"]
    toctree = []
    for text in every_rule():
        rule = registry.find_rule(text.code)
        assert rule is not None
        rows.append(f"| [{text.code}](rules/{text.code}.md) | {_cell(text.title)} | {rule.scope} | {rule.highest} |")
        toctree.append(f"rules/{text.code}")
    listed = "\n".join(toctree)
    return (
        "# Rules\n\nEach rule answers one question about each of its subjects: *found*, *passed*, *not applicable* "
        "with a reason, or *ignored* on request. `bias-audit rule CODE` prints the same text. Levels: "
        "[science](../science.md#levels).\n\n" + "\n".join(rows) + f"\n\n```{{toctree}}\n:hidden:\n\n{listed}\n```\n"
    )


def columns() -> str:
    """Every table of a run and its columns."""
    parts = [
        "# Tables and columns",
        "Every table lies in the run folder as NAME.parquet (whole numbers, raw texts) and NAME.csv (six digits). "
        "Which values of a column are worse is what the gate and comparisons go by.",
    ]
    for name, table in TABLES.items():
        parts.append(f"## {name}")
        rows = ["| column | type | worse | meaning |", "|---|---|---|---|"]
        rows += [f"| `{each.name}` | {each.kind} | {each.worse or '-'} | {_cell(each.text)} |" for each in table]
        parts.append("\n".join(rows))
    return "\n\n".join(parts) + "\n"


def gate() -> str:
    """Keys, numbers and states of gate.toml, the explained example, and the ready CI files."""
    keys = ["| table | key | default | bounds |", "|---|---|---|---|"]
    keys += [
        f"| `[{key.table}]` | `{key.name}` | {'-' if key.default is None else key.default} | {_cell(key.text)}: "
        f"{_cell(key.reason)} |"
        for key in KEYS
    ]
    numbers = ["| table | name | |", "|---|---|---|"]
    numbers += [
        f"| {table} | `{name}` | {_cell(each.label)} |"
        for table, all_ in METRICS.items()
        for name, each in all_.items()
    ]
    states = ["| state | it means |", "|---|---|", *(f"| `{name}` | {_cell(text)} |" for name, text in STATES.items())]
    ready = [part for service in READY for part in (f"### {service}", f"```yaml\n{ready_file(service).strip()}\n```")]
    return "\n\n".join([
        "# Gate",
        "`bias-audit gate RUN` reads `gate.toml` in the working folder, or `--gate FILE`. `bias-audit gate RUN --init` "
        "writes one from the present state of a run.",
        "## States", "Each fails the gate unless the file allows it.", "\n".join(states),
        "## Bounds in short", "\n".join(keys),
        "## Numbers that can be bounded", "With their intervals; any other column by its estimate.", "\n".join(numbers),
        "## Every key, explained", f"```toml\n{example().strip()}\n```",
        "## Ready CI files", "`bias-audit gate --ci SERVICE` prints them.", *ready,
    ]) + "\n"  # fmt: skip


def python() -> str:
    """The public names, for Sphinx to fill from their docstrings."""
    functions = [f".. autofunction:: bias_audit.{name}" for name in ("audit", "load", "inspect", "explain")]
    classes = [_autoclass(f"bias_audit.{name}") for name in ("AuditResult", "Explained", "AuditConfig", "Thresholds")]
    errors = [f".. autoexception:: bias_audit.{name}" for name in ERRORS]
    testing = [f".. autofunction:: bias_audit.testing.{name}" for name in ("assert_no_background_bias",)]
    models = [
        _autoclass(f"bias_audit.models.base.{name}") for name in ("Predictor", "Model", "Explanation", "Predictions")
    ]
    checks = [
        _autoclass(f"bias_audit.checks.base.{name}")
        for name in ("Check", "Rule", "Option", "Context", "Measured", "Page")
    ]
    groups = {
        "Audit": functions, "Results and settings": classes, "Errors": errors, "In a test suite": testing,
        "What a model has to do": models, "What a check is made of": checks,
    }  # fmt: skip
    parts = [
        "# Python",
        "How to use it: [in Python](../how-to/in-python.md). Everything else may change without notice.",
    ]
    for title, directives in groups.items():
        parts += [f"## {title}", "```{eval-rst}\n" + "\n\n".join(directives) + "\n```"]
    return "\n\n".join(parts) + "\n"


def described(kind: type) -> dict[str, str]:
    """Field -> what the section "Attributes:" of a class says of it, on one line; a line may name several fields."""
    section = inspect.cleandoc(kind.__doc__ or "").partition("Attributes:\n")[2]
    section = re.split(r"\n\n(?=\S)", section)[0]
    found: dict[str, str] = {}
    for entry in re.split(r"\n(?= {4}\S)", "\n" + section)[1:]:
        names, _, text = entry.strip().partition(": ")
        found |= dict.fromkeys(names.split(", "), " ".join(text.split()))
    return found


def _commands(parser: argparse.ArgumentParser) -> dict[str, argparse.ArgumentParser]:
    (choices,) = (each.choices for each in parser._actions if isinstance(each, argparse._SubParsersAction))
    return dict(choices)


def _option(parser: argparse.ArgumentParser, action: argparse.Action) -> str:
    formatter = parser._get_formatter()
    names = formatter._format_action_invocation(action)
    text = formatter._expand_help(action) if action.help else ""
    return f"`{names}`\n: {_cell(text)}"


def _fields(kind: type, left_out: tuple[str, ...] = ()) -> Iterator[str]:
    said = described(kind)
    for field in dataclasses.fields(kind):
        if field.name not in left_out:
            default = "not given" if field.default in (None, "") else repr(field.default).replace("'", '"')
            yield f"`{field.name}` ({default})\n: {_cell(said[field.name])}"


def _autoclass(name: str) -> str:
    return f".. autoclass:: {name}\n   :members:\n   :exclude-members: __init__, __new__"


def _sentence(text: str) -> str:
    text = _escaped(" ".join(text.split()))
    text = text if not text or text[:2].isupper() else text[0].upper() + text[1:]
    return text if not text or text.endswith((".", "?")) else f"{text}."


def _cell(text: str) -> str:
    return _escaped(" ".join(text.split()))


def _escaped(text: str) -> str:
    """Text of the program as Markdown that shows it as it is; what stands between backticks stays code."""
    parts = re.split(r"(`[^`]+`)", text)
    return "".join(
        part.replace("|", "\\|") if part.startswith("`") else re.sub(r"([\\*_<>\[\]|#$])", r"\\\1", part)
        for part in parts
    )


assert bias_audit.__all__  # the names above are public: tests/docs/test_reference.py compares them
