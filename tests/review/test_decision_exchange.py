"""Decisions out of a run and into another: nothing of other data, nothing half."""

from __future__ import annotations

import csv
import dataclasses
import io
import json
from pathlib import Path

import pytest

from bias_audit.errors import ConfigError
from bias_audit.review.decisions import Decision, add, history, read_decisions, undo
from bias_audit.review.exchange import export_csv, export_json, import_csv, import_file, import_json, take_over

DATA, OTHER = "a" * 64, "b" * 64
WOLF = Decision("finding", "f00d", "bias", reviewer="Ada", subject="wolf", code="BA201", measured=0.5, low=0.25)
PHOTO = Decision("image", "beef", "wrong mask", note="cuts the\nears; \"both\", 'really'", reviewer="Bob 🐺")


@pytest.fixture
def old(tmp_path: Path) -> Path:
    folder = tmp_path / "old"
    folder.mkdir()
    for decision in (WOLF, PHOTO, dataclasses.replace(WOLF, reviewer="=cmd|' /C calc'!A0", note="'quoted")):
        add(folder, decision, data=DATA)
    return folder


@pytest.fixture
def new(tmp_path: Path) -> Path:
    folder = tmp_path / "new"
    folder.mkdir()
    return folder


@pytest.mark.parametrize(("write", "read"), [(export_json, import_json), (export_csv, import_csv)])
def test_there_and_back(old: Path, new: Path, write, read):
    text = write(old, DATA)
    taken = read(new, text, DATA, ())
    assert (taken.total, taken.added, taken.foreign) == (3, 3, ())
    assert read_decisions(new) == read_decisions(old)
    again = read(new, text, DATA, ())
    assert (again.total, again.added) == (3, 0)
    assert len(history(new)) == 3


@pytest.mark.parametrize(("write", "read"), [(export_json, import_json), (export_csv, import_csv)])
def test_of_other_data_only_photos_that_are_here_are_taken(old: Path, new: Path, write, read):
    taken = read(new, write(old, DATA), OTHER, {"beef": "its path"})
    assert (taken.total, taken.added) == (3, 1)
    assert [each.subject for each in taken.foreign] == ["wolf", "wolf"]
    assert [each.target_key for each in read_decisions(new)] == ["beef"]
    assert read(new, write(old, DATA), OTHER, ()).added == 0


def test_what_was_taken_back_is_taken_back_elsewhere_too(old: Path, new: Path):
    import_json(new, export_json(old, DATA), DATA, ())
    undo(old, "beef", PHOTO.reviewer)
    taken = import_json(new, export_json(old, DATA), DATA, ())
    assert (taken.added, taken.withdrawn) == (0, 1)
    assert read_decisions(new) == read_decisions(old)


def test_a_new_run_takes_over_with_history(old: Path, new: Path):
    add(old, dataclasses.replace(WOLF, verdict="wrong label"), data=DATA)
    undo(old, "beef", PHOTO.reviewer)
    add(old, dataclasses.replace(WOLF, target_key="elsewhere", subject="cat"), data=OTHER)
    taken = take_over(new, old, DATA, ())
    assert (taken.added, taken.withdrawn) == (4, 1)
    assert [each.subject for each in taken.foreign] == ["cat"]
    assert read_decisions(new) == [each for each in read_decisions(old) if each.subject != "cat"]
    assert take_over(new, old, DATA, ()).added == 0


def test_the_document_is_what_was_agreed_on(old: Path):
    document = json.loads(export_json(old, DATA))
    assert (document["format_version"], document["data"]) == (1, DATA)
    assert list(document["decisions"][0]) == [field.name for field in dataclasses.fields(Decision)]


def test_a_spreadsheet_computes_nothing(old: Path):
    for row in csv.reader(io.StringIO(export_csv(old, DATA))):
        assert not any(cell.startswith(("=", "+", "-", "@", "\t", "\r")) for cell in row)


def row(**changes: object) -> dict[str, object]:
    return {**dataclasses.asdict(WOLF), "id": "1", "time": "2026-01-01T00:00:00+00:00", **changes}


def document(*rows: object, **changes: object) -> str:
    return json.dumps({"format_version": 1, "data": DATA, "decisions": rows, **changes})


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("", "no JSON"),
        (document(row())[:-9], "no JSON"),
        ("[" * 100_000, "no JSON"),
        ("[]", "no list 'decisions'"),
        (document(row(), data=7), "'data' is missing"),
        (document(row(), format_version=99), "format version 99"),
        (document(row(), row(id="2", verdict="maybe")), "decision 2: 'verdict'"),
        (document(row(), "x"), "decision 2: it is str"),
        (document(row(), row(id="")), "decision 2: 'id' and 'time'"),
        (document(row(), row(id="2", time="")), "decision 2: 'id' and 'time'"),
        (document(row(), withdrawn={"1": "soon"}), "'time' of a decision"),
        (document(row(), withdrawn={"1": "2099-01-01T00:00:00+00:00"}), "lies in the future"),
        (document(row(), row(id="2", time="2099-01-01T00:00:00+00:00")), "decision 2: .* lies in the future"),
        (document(row(), row(id="2", reviewer="\u200b\u2060")), "decision 2: .* who decided"),
        (document(row(), withdrawn=[1]), "'withdrawn'"),
    ],
)
def test_a_damaged_document_is_one_sentence_and_takes_nothing(new: Path, text: str, said: str):
    with pytest.raises(ConfigError, match=said) as caught:
        import_json(new, text, DATA, (), "file.json")
    assert "'file.json'" in caught.value.message
    assert "\n" not in caught.value.message
    assert history(new) == []


def test_a_decision_about_a_cue_is_taken_from_an_older_version(new: Path):
    import_json(new, document(row(target_kind="cluster")), DATA, (), "file.json")
    assert [each.decision.target_kind for each in history(new)] == ["cue"]


def test_a_damaged_table_is_one_sentence_and_takes_nothing(old: Path, new: Path):
    text = export_csv(old, DATA)
    head, first, *_ = text.splitlines()
    for broken, said in (
        ("a,b\n1,2\n", "column 'target_kind' is missing"),
        (f"{head}\n{first}\n{first},more\n", "another number of cells"),
        (f"{head}\n{first}\nfinding,f00d\n", "another number of cells"),
        (text.replace("0.5,0.25", "half,0.25"), "could not convert"),
        (f'{head}\n"open', "line"),
    ):
        with pytest.raises(ConfigError, match=said):
            import_csv(new, broken, DATA, (), "file.csv")
    assert history(new) == []


def test_line_ends_in_a_note_come_through_a_file(old: Path, new: Path, tmp_path: Path):
    add(old, dataclasses.replace(WOLF, note="one\r\ntwo\rthree\nfour", reviewer="Eve"), data=DATA)
    for name, write in (("a.csv", export_csv), ("a.json", export_json)):
        (tmp_path / name).write_bytes(write(old, DATA).encode())
        import_file(new, tmp_path / name, DATA, ())
        assert read_decisions(new) == read_decisions(old)


def test_files_are_read_by_their_name(old: Path, new: Path, tmp_path: Path):
    table, broken = tmp_path / "DECISIONS.CSV", tmp_path / "latin.json"
    table.write_bytes(b"\xef\xbb\xbf" + export_csv(old, DATA).encode())
    assert import_file(new, table, DATA, ()).added == 3
    broken.write_bytes(b'{"decisions": "\xff"}')
    for file, said in ((broken, "no UTF-8"), (tmp_path / "none.json", "No such file"), (tmp_path, "directory")):
        with pytest.raises(ConfigError, match=said):
            import_file(new, file, DATA, ())
