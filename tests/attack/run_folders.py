"""Damaged and dressed-up run folders: no change of a run whose gate fails may turn it green, and none may crash."""

from __future__ import annotations

import json
import shutil
import zipfile
from collections.abc import Sequence
from pathlib import Path
from random import Random
from typing import Any

from .changing import as_json, changed_bytes, changed_text, changed_value, deep
from .runs import REDS, changed_file, copy_of, gate, write_runs
from .trying import Attempt, Kind, command, red, told


def characters_of_audit_json(attempt: Attempt) -> str:
    """One change of the text of audit.json: a character, a line, a cut."""
    run = copy_of(attempt.world / attempt.rng.choice(REDS))
    text, done = changed_text((run / "audit.json").read_text(encoding="utf-8"), attempt.rng)
    attempt.what = f"audit.json of {run.name}: {done}"
    with changed_file(run / "audit.json", text.encode("utf-8", "surrogatepass")):
        return red(gate(run, attempt.world))


def values_of_audit_json(attempt: Attempt) -> str:
    """One or two values of audit.json changed; it stays JSON."""
    run = copy_of(attempt.world / attempt.rng.choice(REDS))
    content = json.loads((run / "audit.json").read_bytes())
    done = [changed_value(content, attempt.rng) for _ in range(attempt.rng.choice((1, 1, 1, 2)))]
    attempt.what = f"audit.json of {run.name}: {'; '.join(done)}"
    with changed_file(run / "audit.json", as_json(content)):
        return red(gate(run, attempt.world))


def verdicts_of_audit_json(attempt: Attempt) -> str:
    """What somebody would change to get a green gate: levels, statuses, classes, rules, counts, numbers."""
    run = copy_of(attempt.world / attempt.rng.choice(REDS))
    content = json.loads((run / "audit.json").read_bytes())
    attempt.what = f"audit.json of {run.name}: {_greener(content, attempt.rng, range(10))}"
    with changed_file(run / "audit.json", as_json(content)):
        return red(gate(run, attempt.world))


def contradictions_of_audit_json(attempt: Attempt) -> str:
    """The same with a digest that fits: the finding is changed in one place, and the others contradict it."""
    from bias_audit.run.digests import content_digest

    run = copy_of(attempt.world / "finding")
    content = json.loads((run / "audit.json").read_bytes())
    attempt.what = f"audit.json of {run.name}, with a new digest: {_greener(content, attempt.rng, (0, 1, 2, 3, 4, 6))}"
    content["digest"] = content_digest(content)
    with changed_file(run / "audit.json", as_json(content)):
        return red(gate(run, attempt.world))


def _greener(content: Any, rng: Random, ways: Sequence[int]) -> str:
    """Change the content of audit.json in place, and return the change in words."""
    outcomes, classes, info = content["outcomes"], content["classes"], content["info"]
    one, row = rng.choice(outcomes), rng.choice(classes)
    name = row["class_name"]
    lists = ["outcomes", "classes", "info.class_names"]
    match rng.choice(ways):
        case 0:
            one["status"] = rng.choice(("passed", "ignored", "not applicable", "Found", "found ", "", None))
            done = f"status of {one['code']} made {one['status']!r}"
        case 1:
            one["level"] = rng.choice((None, "WATCH", "watch", "", "SUSPECT", "NO RELIANCE SHOWN", 3))
            done = f"level of {one['code']} made {one['level']!r}"
        case 2:
            one["scope"] = rng.choice(("image", "dataset", "slice", "cue", "Class", "", None))
            done = f"scope of {one['code']} made {one['scope']!r}"
        case 3:
            least = int(len(ways) < 10)  # deleted everywhere, and with a fitting digest, it is a forgery
            kept = rng.sample(lists, rng.randint(least, 2))
            if "outcomes" not in kept:
                content["outcomes"] = [each for each in outcomes if each["subject"] != name]
            if "classes" not in kept:
                classes.remove(row)
            if "info.class_names" not in kept:
                info["class_names"].remove(name)
            done = f"class {name!r} deleted everywhere but in {kept}"
        case 4:
            content["outcomes"] = [each for each in outcomes if each is not one]
            done = f"outcome {one['code']} of {one['subject']!r} deleted"
        case 5:
            outcomes.append({**one, "status": "passed", "level": None})
            done = f"outcome {one['code']} of {one['subject']!r} doubled as passed"
        case 6:
            one["code"] = rng.choice(("BA202", "BA101", "BA901", "BA2O1", "BA999", "ba201", ""))
            done = f"code of an outcome made {one['code']!r}"
        case 7:
            one["subject"] = rng.choice(("", "other", one["subject"] + " ", one["subject"].upper()))
            done = f"subject of {one['code']} made {one['subject']!r}"
        case 8:
            column = rng.choice([each for each, value in row.items() if isinstance(value, int | float)])
            row[column] = rng.choice((0, 1, 0.0, None, -1, 1e9, "0", True))
            done = f"{column} of {name!r} made {row[column]!r}"
        case _:
            counts = info["counts"]
            which = rng.choice(sorted(counts))
            counts[which] = rng.choice((0, 1, 16, None, -1, 10**9, "16", True, 0.5))
            done = f"count {which} made {counts[which]!r}"
    if rng.random() < 0.3:
        for count in content["rules"]:
            count["found"], count["passed"] = 0, count["judged"]
        done += "; counts of rules made to say that nothing was found"
    return done


def tables_of_the_gate(attempt: Attempt) -> str:
    """Rows, cells and bytes of the CSV tables, beside a gate file that bounds what is in them."""
    rng = attempt.rng
    run = copy_of(attempt.world / rng.choice(("image", "image", "slice", "class", "finding")))
    wanted = {"image": "images", "slice": "slices"}.get(run.name, "classes")
    file = run / f"{wanted}.csv"
    data = file.read_bytes()
    lines = data.split(b"\n")
    line = rng.randrange(1, len(lines))
    match rng.randrange(8):
        case 0:
            lines[line] += rng.choice((b",", b",1", b",,,,", b',"x'))
            done = f"line {line + 1} has an extra cell"
        case 1:
            lines[line] = lines[line][: rng.randrange(len(lines[line]) + 1)]
            done = f"tail of line {line + 1} cut"
        case 2:
            del lines[line:]
            done = f"lines from {line + 1} on deleted"
        case 3:
            del lines[line]
            done = f"line {line + 1} deleted"
        case 4:
            cells = lines[line].split(b",")
            cells[rng.randrange(len(cells))] = rng.choice((b"", b"0", b"0.0", b"nan", b"inf", b"-1", b"\xff", b"ok"))
            lines[line] = b",".join(cells)
            done = f"a cell of line {line + 1} changed"
        case 5:
            heads = lines[0].split(b",")
            heads[rng.randrange(len(heads))] = rng.choice((b"", b"x", heads[0], heads[-1], b"\xff\xfe"))
            lines[0] = b",".join(heads)
            done = "a head changed"
        case 6:
            lines = []
            done = "everything deleted"
        case _:
            changed, done = changed_bytes(data, rng)
            lines = [changed]
    attempt.what = f"{file.name} of {run.name}: {done}"
    with changed_file(file, b"\n".join(lines)):
        return red(gate(run, attempt.world))


def numbers_of_the_gate(attempt: Attempt) -> str:
    """The file in which an audit kept the numbers of a column of images, which the gate reads in the table's place."""
    rng = attempt.rng
    run = copy_of(attempt.world / "image")
    file = run / "gate-numbers" / "background_excess.numbers"
    data = file.read_bytes()
    match rng.randrange(4):
        case 0:
            changed, done = changed_bytes(data, rng)
        case 1:
            end = data.index(b"\n", data.index(b"\n") + 1)  # what follows are no characters
            text, done = changed_text(data[:end].decode(), rng)
            changed = text.encode("utf-8", "surrogatepass") + data[end:]
        case 2:
            other = rng.choice(sorted(file.parent.iterdir()))
            changed, done = other.read_bytes(), f"the content of {other.name}"
        case _:
            changed, done = data, "another table beside it"
    attempt.what = f"{file.name} of {run.name}: {done}"
    table = run / "images.csv"
    lines = table.read_bytes() + (b"" if changed is not data else rng.choice((b"\n", b"a,b\n", b"0")))
    with changed_file(file, changed), changed_file(table, lines):
        return red(gate(run, attempt.world))


def missing_files(attempt: Attempt) -> str:
    """Files of a run deleted, empty, made folders or links, or taken from the run that passes."""
    rng = attempt.rng
    source = attempt.world / rng.choice(REDS)
    run = attempt.folder / source.name
    shutil.copytree(source, run)
    files = sorted(path.name for path in run.iterdir() if path.is_file())
    for _ in range(rng.choice((1, 1, 2, 3))):
        name = rng.choice(files)
        file = run / name
        how = rng.choice(("deleted", "empty", "a folder", "a link to itself", "of the green run", "other table"))
        if name == "audit.json" and how == "of the green run":  # then it is the green run, put in another place
            how = "deleted"
        file.unlink(missing_ok=True) if not file.is_dir() else shutil.rmtree(file)
        if how == "empty":
            file.touch()
        elif how == "a folder":
            file.mkdir()
        elif how == "a link to itself":
            file.symlink_to(name)
        elif how == "of the green run":
            shutil.copy(attempt.world / "green" / name, file)
        elif how == "other table":
            shutil.copy(source / rng.choice(files), file)
        attempt.what += f"{name} of {source.name}: {how}; "
    return red(gate(run, attempt.world))


def commands_on_damaged_runs(attempt: Attempt) -> str:
    """Every command that reads a finished run, on one with a damaged file: a sentence, or an answer."""
    rng = attempt.rng
    run = copy_of(attempt.world / rng.choice(("finding", "green")))
    name = rng.choice(("audit.json",) * 3 + ("images.parquet", "classes.parquet", "confusion.parquet", "pictures.json",
                       "slices.parquet", "cues.parquet", "hypotheses.parquet"))  # fmt: skip
    return _command_on(run, name, attempt)


def commands_on_damaged_older_runs(attempt: Attempt) -> str:
    """The same on a run of format version 1 or 2, whose names are translated; half of the changes are of a name."""
    rng = attempt.rng
    run = copy_of(attempt.world / f"version {rng.choice((1, 2))}")
    if rng.random() < 0.5:
        names = ("clusters.parquet", "clusters.csv", "cluster_spots.parquet", "probes.parquet", "classes.csv")
        return _command_on(run, rng.choice(("audit.json", *names)), attempt)
    text = (run / "audit.json").read_text(encoding="utf-8")
    old, new = rng.sample(("cluster", "cue", "probe", "probes", "property", "properties", "n_clusters", "n_units",
                           "group_by", "scope", "config", "counts", "evidence", "code", "class"), 2)  # fmt: skip
    with changed_file(run / "audit.json", text.replace(f'"{old}"', f'"{new}"').encode()):
        return _command_on(run, "audit.json", attempt, done=f"every {old!r} made {new!r}")


def _command_on(run: Path, name: str, attempt: Attempt, done: str = "") -> str:
    """One command on a run whose file of this name is damaged; `done` tells how, where it was done already."""
    rng, other = attempt.rng, attempt.world / "green"
    changed = data = (run / name).read_bytes()
    if done:
        pass
    elif name.endswith(".json") and rng.random() < 0.05:
        text, done = deep(rng)
        changed = text.encode()
    elif name == "audit.json" or (name.endswith(".json") and rng.random() < 0.5):
        content = json.loads(data)
        done = changed_value(content, rng)
        changed = as_json(content)
    else:
        changed, done = changed_bytes(data, rng)
    out = attempt.folder
    calls = {
        "gate": ("gate", run, "--format", "json"),
        "gate --baseline": ("gate", other, "--baseline", run, "--format", "json"),
        "gate --init": ("gate", run, "--gate", out / "gate.toml", "--init"),
        "report": ("report", run, "--out", out / "page.html"),
        "report --anonymous": ("report", run, "--images", "none", "--anonymous", "--out", out / "page.html"),
        "compare": ("compare", run, other, "--markdown", out / "compared.md"),
        "compare, page": ("compare", other, run, "--out", out / "compared.html"),
        "history": ("history", run, other, "--out", out / f"history.{rng.choice(('csv', 'md', 'html'))}"),
        "name": ("name", run, rng.choice(("c0", "\x1b]0;x")), "ruler", "--cues", out / "cues.json"),
        "rescore": ("rescore", run, "--out", out / "again"),
        "review --export": ("review", run, "--export", out / "decisions.json"),
    }
    which = rng.choice(sorted(calls))
    attempt.what = f"{which} where {name} of {run.name} has {done}"
    with changed_file(run / name, changed):
        return told(command(*calls[which]))


def prepare(folder: Path) -> None:
    write_runs(folder)


def prepare_older(folder: Path) -> None:
    """Write the run that is kept of format version 2, and what version 1 would have written: no digests."""
    write_runs(folder)
    for version in (1, 2):
        run = folder / f"version {version}"
        with zipfile.ZipFile(Path(__file__).parents[1] / "run" / "version_2.zip") as kept:
            kept.extractall(run)
    file = folder / "version 1" / "audit.json"
    content = json.loads(file.read_bytes())
    content = {name: value for name, value in content.items() if name not in ("tables", "shards", "digest")}
    file.write_bytes(as_json({**content, "format_version": 1}))


KINDS = {
    "audit.json: characters": Kind(characters_of_audit_json, prepare, 160, 60),
    "audit.json: values": Kind(values_of_audit_json, prepare, 120, 60),
    "audit.json: verdicts": Kind(verdicts_of_audit_json, prepare, 60, 60),
    "audit.json: contradictions": Kind(contradictions_of_audit_json, prepare, 30, 40),
    "tables that the gate reads": Kind(tables_of_the_gate, prepare, 60, 60),
    "numbers that the gate reads": Kind(numbers_of_the_gate, prepare, 60, 40),
    "files of a run missing or swapped": Kind(missing_files, prepare, 20, 25),
    "commands on damaged runs": Kind(commands_on_damaged_runs, prepare, 15, 12),
    "commands on damaged older runs": Kind(commands_on_damaged_older_runs, prepare_older, 10, 10),
}
