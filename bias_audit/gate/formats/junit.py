"""Writes JUnit XML with a test case per check, as Jenkins (xunit plugin, junit-10.xsd), GitLab and Azure read it."""

from __future__ import annotations

import itertools
import xml.etree.ElementTree as ET
from collections.abc import Iterable, Iterator

from bias_audit.gate.formats.place import Place
from bias_audit.gate.formats.told import CheckText, check_text, checks_of, is_rule, name_of, one_line
from bias_audit.gate.values import FAILED, NOT_JUDGED, WAIVED, WARNED, GateResult, GateRow
from bias_audit.run.printable import printable


def junit(gate: GateResult, place: Place) -> str:
    """The result of the gate as JUnit XML, with a test suite per scope in the order of the rows.

    A failed check is a failure. A check that could not be judged, or is waived, is skipped with its reason: never a
    pass. A warning passes, because JUnit has no warnings, and stands in the output of its test case.
    """
    checks = checks_of(gate)
    root = ET.Element("testsuites", {"name": "bias-audit gate", **_counts(checks)})
    names: set[tuple[str, str]] = set()
    for scope in dict.fromkeys(row.scope for row in checks):
        rows = [row for row in checks if row.scope == scope]
        skipped = sum(row.status in (NOT_JUDGED, WAIVED) for row in rows)
        suite = ET.SubElement(root, "testsuite", {"name": scope, **_counts(rows), "skipped": str(skipped)})
        for row in rows:
            _case(suite, row, place, names)
        said = [gate.summary, *gate.resolved, *gate.notes] if scope == checks[0].scope else []
        if said:
            ET.SubElement(suite, "system-out").text = "\n".join(map(one_line, said))
    ET.indent(root)
    return f'<?xml version="1.0" encoding="UTF-8"?>\n{ET.tostring(root, encoding="unicode")}\n'


def _counts(rows: Iterable[GateRow]) -> dict[str, str]:
    statuses = [row.status for row in rows]
    return {"tests": str(len(statuses)), "failures": str(statuses.count(FAILED)), "errors": "0"}


def _case(suite: ET.Element, row: GateRow, place: Place, names: set[tuple[str, str]]) -> None:
    first, text = name_of(row), check_text(row.check)
    # A bound to fail and one to warn are two checks of one name.
    name = next(name for name in _numbered(first) if (row.scope, name) not in names)
    names.add((row.scope, name))
    case = ET.SubElement(suite, "testcase", classname=f"bias-audit.{row.scope}", name=name, time="0")
    message = one_line(row.sentence)
    if row.status == FAILED:
        failure = ET.SubElement(case, "failure", type=one_line(row.level or row.state or "threshold"), message=message)
        failure.text = printable(_details(row, text, place), lines=True)
    elif row.status in (NOT_JUDGED, WAIVED):
        because = row.waiver if row.status == WAIVED else message
        ET.SubElement(case, "skipped", type=row.status, message=one_line(f"{row.status}: {because}"))
    elif row.status == WARNED:
        ET.SubElement(case, "system-out").text = printable(f"Warning: {_details(row, text, place)}", lines=True)


def _numbered(name: str) -> Iterator[str]:
    """Names to try for a test case: the name itself, then "name (2)", "name (3)" and so on."""
    yield name
    yield from (f"{name} ({n})" for n in itertools.count(2))


def _details(row: GateRow, text: CheckText, place: Place) -> str:
    """Text of a row in its test case: its sentence, the line that asked for the check, and what to do."""
    parts = [one_line(row.sentence)]
    if row.line and place.has_lines:
        parts.append(f"Asked for by {place.file}, line {row.line}.")
    if row.change:
        parts.append(f"Against the baseline: {row.change}.")
    if text.repair:
        parts.append(f"What to do:\n{text.repair}")
    if is_rule(row.check):
        address = place.help(row.check)
        parts.append(f"Explained by: bias-audit rule {row.check}" + (f" or {address}" if address else ""))
    return "\n\n".join(parts)
