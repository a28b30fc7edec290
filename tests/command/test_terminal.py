"""What commands print about a hostile run, into a pipe and on a terminal: no name is obeyed, none makes a line."""

from __future__ import annotations

import contextlib
import dataclasses
import json
import os
import re
import subprocess
import sys
from pathlib import Path

import pytest
from made_run import made_parts, write_parts

from bias_audit.review.decisions import Decision, add
from bias_audit.run.identity import finding_id
from bias_audit.run.printable import printable
from bias_audit.run.result import load

pty = pytest.importorskip("pty")

EVIL = "x\x1b[2J\x1b]0;pwned\x07\x08\x7f\x9b2J\x85\u202egpj\u2066\u200b\u2028\r\nGate passed: all\n::stop-commands::z"
"""Clears the screen, sets a title, turns the text around, and writes lines of its own."""

COLOUR = re.compile(r"\x1b\[[0-9;]*m")

COMMANDS = (
    "gate {run}", "gate {run} --gate none --baseline {old}", "gate {run} --format json", "gate {run} --format junit",
    "gate {run} --format markdown", "gate {run} --format sarif", "gate {run} --format github",
    "gate {run} --init --gate {out}/gate.toml", "gate {run} --gate {evil}", "gate {evil}", "gate {run} --today {evil}",
    "gate {run} --prune {evil}", "gate --ci {evil}", "report {run} --images none", "report {evil}",
    "compare {run} {old}", "compare {run} {evil}", "history {run} {evil}", "name {run} {evil} x",
    "review {run} --export {out}/d.csv",
    "review {run} --import {evil}", "review {run} --from {old} --export {out}/e.json",
    "review {run} --next {out}/next --undecided",
    "review {run} --port {evil}", "rescore {run} --threshold {evil}",
    "rescore {run} --masks {evil} --out {out}/again",
    "rule {evil}", "{evil}", "data {evil}", "data {photos}", "data {photos} --json", "data {photos} --masks {evil}",
    "data {photos} --out {evil}", "data {photos} --sample {evil}", "data {photos} --sample 1",
)  # fmt: skip


def evil_run(folder: Path, more: str = "") -> Path:
    """A run with the text in every class, image, sentence, note and setting, and in a decision about it."""
    parts = made_parts()
    evil = EVIL + more

    def named(value: object) -> object:
        if isinstance(value, str) and value in parts.info.class_names:
            return value + evil
        return value

    parts.images = [{key: named(value) for key, value in row.items()} for row in parts.images]
    for row in parts.images:
        row["image_id"] += evil
        row["status_reason"] = evil
    parts.classes = [{key: named(value) for key, value in row.items()} for row in parts.classes]
    parts.confusion = [{key: named(value) for key, value in row.items()} for row in parts.confusion]
    parts.outcomes = tuple(
        dataclasses.replace(each, subject=str(named(each.subject)), sentence=each.sentence + evil, image_ids=())
        for each in parts.outcomes
    )
    classes = tuple(str(named(name)) for name in parts.info.class_names)
    parts.info = dataclasses.replace(
        parts.info, class_names=classes, notes=(evil,), name=evil, model=evil, data=evil, layer=evil
    )
    parts.verdict += evil
    parts.pictures = None
    run = write_parts(parts, folder)
    result = load(run)
    for reviewer in (evil, f"{evil}2"):
        one = Decision("finding", finding_id(result.found()[0], result), "bias", note=evil, reviewer=reviewer)
        add(run, dataclasses.replace(one, verdict="wrong mask") if reviewer != evil else one)
    add(run, Decision("finding", "gone", "bias", note=evil, reviewer=evil, subject=evil))
    return run


@pytest.fixture(scope="module")
def places(tmp_path_factory: pytest.TempPathFactory) -> dict[str, str]:
    folder = tmp_path_factory.mktemp("hostile")
    places = {"run": evil_run(folder / "run"), "old": evil_run(folder / "old", "!"), "out": folder / "out"}
    places["out"].mkdir()
    for name in (EVIL, f"{EVIL}2"):
        (folder / "photos" / name).mkdir(parents=True)
        for kind in ("jpg", "txt"):
            (folder / "photos" / name / f"{EVIL}.{kind}").write_bytes(b"no picture")
    (folder / "photos" / f"{EVIL}.jpg").write_bytes(b"no picture")
    places["photos"] = folder / "photos"
    return {**{name: str(path) for name, path in places.items()}, "evil": EVIL}


RUNNER = """
import io, sys, json
from bias_audit.cli.command_line import main
for arguments in json.loads(sys.argv[1]):
    try:
        main(arguments)
    except SystemExit:
        pass
    sys.stdout.flush()
    sys.stderr.flush()
    print("=== done", flush=True)
"""


def arguments(places: dict[str, str]) -> list[list[str]]:
    return [[part.format(**places) for part in line.split()] for line in COMMANDS]


def looked_over(output: str) -> None:
    parts = output.split("=== done\n")
    assert len(parts) == len(COMMANDS) + 1
    for command, said in zip(COMMANDS, parts, strict=False):
        plain = COLOUR.sub("", said)
        assert printable(plain, lines=True) == plain, command
        assert said.strip(), command
        assert "Traceback" not in said, command
        forged = [line for line in plain.splitlines() if line.startswith(("Gate passed", "::stop"))]
        assert forged == [], command


def test_into_a_pipe(places: dict[str, str], tmp_path: Path) -> None:
    command = [sys.executable, "-c", RUNNER, json.dumps(arguments(places))]
    done = subprocess.run(command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, cwd=tmp_path)
    looked_over(done.stdout.decode())


def test_on_a_terminal(places: dict[str, str], tmp_path: Path) -> None:
    again = {**places, "out": str(tmp_path)}
    ours, theirs = pty.openpty()
    command = [sys.executable, "-c", RUNNER, json.dumps(arguments(again))]
    environment = {**os.environ, "TERM": "xterm-256color", "COLUMNS": "100"}
    with subprocess.Popen(command, stdout=theirs, stderr=theirs, stdin=theirs, cwd=tmp_path, env=environment):
        os.close(theirs)
        said = b""
        with contextlib.suppress(OSError):  # the end of a terminal is an error
            while part := os.read(ours, 65536):
                said += part
    os.close(ours)
    # Bars are drawn on a terminal of their own: they move the cursor, and only they may.
    text = re.sub(r"\x1b\[(\?25[lh]|2K|1A)|\r", "", said.decode())
    assert COLOUR.search(text)
    looked_over(text)
