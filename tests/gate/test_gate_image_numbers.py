"""Numbers of images that an audit kept for the gate give the verdict, row for row, that the table gives."""

from __future__ import annotations

import dataclasses
import functools
import json
import math
import os
import shutil
from collections import Counter
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest
from agreeing import write_audit_json
from gate_runs import HUSKY, WOLF, judged, row_of, run_of
from hypothesis import example, given, settings
from hypothesis import strategies as st
from stand_in import World, finished, snow

from bias_audit import stats
from bias_audit.errors import ResultError
from bias_audit.gate import FAILED, GateResult, judge
from bias_audit.run import image_numbers
from bias_audit.run.digests import digest_of
from bias_audit.run.folder import Run
from bias_audit.run.image_numbers import FOLDER, MOST_VALUES, SUFFIX
from bias_audit.run.image_numbers_written import LEAST, write_numbers
from bias_audit.run.number_pairs import Pairs
from bias_audit.run.result import AuditResult, load
from bias_audit.run.schema import TABLES
from bias_audit.run.tables import table, write_table

COLUMNS = ("correct", "background_gap", "background_excess", "reliance_rank")
PAIRED = "".join(
    f'[[metric]]\ntable = "class"\nname = "{name}"\nmax_increase = 0.05\nmax_decrease = 0.05\n'
    for name in ("background_gap", "accuracy")
)


def image_toml(*bounds: float, name: str = "background_excess") -> str:
    return "".join(
        f'[[metric]]\ntable = "image"\nname = "{name}"\n{kind} = {bound!r}\nmax_share = 0.3\n'
        for bound in bounds
        for kind in ("max", "min")
    )


def written(folder: Path, rows: Sequence[dict[str, Any]], kept: bool = True, **info: Any) -> AuditResult:
    """A run with these rows of the images table; `kept`: also with the numbers for the gate."""
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(parents=True)
    run, images = Run(folder), table("images", rows)
    write_table(run, "images", images)
    if kept:
        write_numbers(run, images, least=0)
    write_audit_json(dataclasses.replace(run_of(classes=(WOLF, HUSKY), **info), path=folder))
    return load(folder)


def without_numbers(run: AuditResult, folder: Path) -> AuditResult:
    """The same run as an older version left it."""
    shutil.rmtree(folder, ignore_errors=True)
    shutil.copytree(run.path, folder)
    shutil.rmtree(folder / FOLDER)
    return load(folder)


@pytest.fixture
def no_table(monkeypatch: pytest.MonkeyPatch) -> None:
    """Fails where the gate reads rows of a table."""

    def refuse(*_: Any) -> None:
        raise AssertionError("the table was read")

    monkeypatch.setattr("bias_audit.gate.metrics.read_columns", refuse)


def excess(*values: float | None, label: str = "wolf") -> list[dict[str, Any]]:
    return [
        {"image_id": f"{label}/{i}.jpg", "label": label, "background_excess": value, "correct": i % 2 == 0}
        for i, value in enumerate(values)
    ]


# -- the same rows --------------------------------------------------------------------------

eighths = st.integers(-8, 8).map(lambda k: k / 8)
numbers = st.one_of(
    st.none(), eighths, st.floats(-2, 2, allow_subnormal=False), st.sampled_from([math.nan, math.inf, 1e-9, -0.0, 1e6])
)
names = st.text(st.sampled_from("abc/'=-\n\r\",ä\N{WOLF FACE}\\0"), min_size=1, max_size=4)
labels = st.sampled_from(["wolf", "husky", "=fox"])
some_rows = st.lists(
    st.tuples(names, labels, numbers, st.none() | st.booleans(), st.none() | eighths, st.none() | st.integers(0, 3)),
    min_size=1,
    max_size=12,
    unique_by=lambda row: row[0],
)


def rows_of(drawn: Sequence[tuple[Any, ...]]) -> list[dict[str, Any]]:
    heads = ("image_id", "label", "background_excess", "correct", "background_gap", "reliance_rank")
    return [dict(zip(heads, row, strict=True)) for row in drawn]


@settings(max_examples=25)  # an example writes and judges two runs
@given(some_rows, st.data())
@example([("a", "wolf", 0.5, True, 0.25, 1), ("b", "wolf", 0.5, True, 0.25, 1)], None)
def test_the_rows_of_the_gate_are_those_of_the_table(
    tmp_path_factory: pytest.TempPathFactory, drawn: list[tuple[Any, ...]], data: st.DataObject | None
) -> None:
    folder = tmp_path_factory.mktemp("runs")
    rows = rows_of(drawn)
    known = sorted({0.0, *(row["background_excess"] or 0.0 for row in rows)} - {math.inf})
    bounds = [0.5] if data is None else [data.draw(st.sampled_from([b for b in known if not math.isnan(b)]))]
    toml = "".join(image_toml(*bounds, name=name) for name in COLUMNS)
    few = 4 if data is None else data.draw(st.sampled_from([0, 2, MOST_VALUES]))
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("bias_audit.run.image_numbers_written.MOST_VALUES", few)
        run = written(folder / "run", rows)
    assert len(list((run.path / FOLDER).iterdir())) > len(COLUMNS)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("bias_audit.gate.metrics.read_columns", None)  # what is not there cannot be called
        now = judged(folder, run, toml)
    assert now.rows == judged(folder, without_numbers(run, folder / "old"), toml).rows


@settings(max_examples=25)  # an example writes and judges two runs
@given(some_rows, st.data())
def test_paired_changes_are_those_of_the_table(
    tmp_path_factory: pytest.TempPathFactory, drawn: list[tuple[Any, ...]], data: st.DataObject
) -> None:
    folder = tmp_path_factory.mktemp("runs")
    rows = rows_of(drawn)
    again = [
        {**row, "correct": data.draw(st.none() | st.booleans()), "background_gap": data.draw(st.none() | eighths)}
        for row in data.draw(st.permutations(rows))
    ]
    new, old = written(folder / "new", rows, model_sha256="1"), written(folder / "old", again)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("bias_audit.gate.metrics.read_columns", None)
        now = judged(folder, new, PAIRED, baseline=old)
    plain = [without_numbers(run, folder / f"{run.path.name}-plain") for run in (new, old)]
    assert now.rows == judged(folder, plain[0], PAIRED, baseline=plain[1]).rows
    half = judged(folder, new, PAIRED, baseline=plain[1])
    assert half.rows == now.rows, "a baseline of an older version: both tables are read"


def test_images_are_paired_by_their_names(tmp_path: Path, no_table: None) -> None:
    """Rows in another order pair as the images do."""
    rows = [{"image_id": f"{i}", "label": "wolf", "correct": i % 3 == 0} for i in range(12)]
    toml = '[[metric]]\ntable = "class"\nname = "accuracy"\nmax_increase = 0.5\n'
    new = written(tmp_path / "new", rows, model_sha256="1")
    wide = written(tmp_path / "old", [{**row, "correct": not row["correct"]} for row in rows[::-1]])
    same = written(tmp_path / "same", rows[::-1])
    shares = [float(row["correct"]) for row in rows]
    for old, before in ((same, shares), (wide, [1 - share for share in shares])):
        row = row_of(judged(tmp_path, new, toml, baseline=old), "max_increase_accuracy", "wolf")
        assert "paired over the same images" in row.sentence
        assert (row.low, row.high) == pytest.approx(stats.paired_difference_interval(shares, before))


def test_known_numbers_by_hand(tmp_path: Path, no_table: None) -> None:
    run = written(tmp_path / "run", excess(0.5, 1.0, 1.2, 1.5, None, 1.5, 1.1))
    row = row_of(judged(tmp_path, run, image_toml(1.0)), "max_background_excess")
    assert (row.status, row.measured, row.n) == (FAILED, pytest.approx(4 / 6), 6)
    assert "4 of 6 images" in row.sentence
    assert row.sentence.index("wolf/5.jpg") < row.sentence.index("wolf/3.jpg") < row.sentence.index("wolf/2.jpg")
    assert "wolf/6.jpg" not in row.sentence


@given(st.lists(st.tuples(st.integers(0, 3), st.integers(0, 3)), max_size=12))
def test_a_table_of_pairs_counts_what_it_was_made_of(pairs: list[tuple[int, int]]) -> None:
    table = Pairs.of(Counter((float(x), float(y)) for x, y in pairs))
    assert list(table.new) == sorted({x for x, _ in pairs})
    assert list(table.old) == sorted({y for _, y in pairs})
    counted = {
        (x, y): count
        for x, row in zip(table.new, table.counts, strict=True)
        for y, count in zip(table.old, row, strict=True)
        if count
    }
    assert counted == Counter(pairs)
    assert table.images == len(pairs)
    assert [2 * share - 1 for share in table.between(-1, 1).new] == list(table.new)


def test_an_audit_writes_them_and_every_column_is_judged_as_by_the_table(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The tables of a whole run, as the pipeline makes them; overwriting the run removes its numbers."""
    monkeypatch.setattr("bias_audit.pipeline.finish.write_numbers", functools.partial(write_numbers, least=0))
    run = finished(World(snow(0), wrong=2, unread=1), tmp_path / "run")
    columns = [column.name for column in TABLES["images"] if column.kind != "string"]
    toml = "".join(image_toml(0.0, 0.5, name=name) for name in columns)
    plain = without_numbers(run, tmp_path / "plain")
    monkeypatch.setattr("bias_audit.gate.metrics.read_columns", None)
    rows = judged(tmp_path, run, toml).rows
    monkeypatch.undo()
    assert rows == judged(tmp_path, plain, toml).rows
    assert sum("images of" in row.sentence for row in rows) > 40, "what is missing in all of them shows little"
    Run(run.path).start({}, resume=False, overwrite=True)
    assert not (run.path / FOLDER).exists()


# -- damage and absence ---------------------------------------------------------------------


def gates(run: AuditResult, tmp_path: Path) -> GateResult:
    return judged(tmp_path, run, image_toml(1.0))


@pytest.fixture
def run(tmp_path: Path) -> AuditResult:
    """A run that fails: two of three photos lie above the bound."""
    return written(tmp_path / "run", excess(0.5, 1.2, 1.5))


def file_of(run: AuditResult) -> Path:
    return run.path / FOLDER / f"background_excess{SUFFIX}"


def test_without_the_file_the_table_is_read(run: AuditResult, tmp_path: Path) -> None:
    before = gates(run, tmp_path)
    file_of(run).unlink()
    assert gates(run, tmp_path).rows == before.rows
    assert not before.passed


@pytest.mark.parametrize(
    "change",
    [
        lambda data: data.replace(b"1.5", b"0.5", 1),
        lambda data: data[:-1] + b"\x01",
        lambda data: data[: len(data) // 2],
        lambda data: b"",
        lambda data: data.partition(b"\n")[2],
        lambda data: data + b" ",
        lambda data: data.replace(b"\n", b"\r\n", 1),
        lambda data: data.replace(b"\n", b" "),
        lambda data: b"[" * 2_000,
    ],
)
def test_a_damaged_file_is_no_verdict(run: AuditResult, tmp_path: Path, change: Any) -> None:
    file = file_of(run)
    file.write_bytes(change(file.read_bytes()))
    with pytest.raises(ResultError, match=r"background_excess\.numbers' is damaged"):
        gates(run, tmp_path)


def forged(run: AuditResult, change: Any) -> None:
    """Change what the file says and its numbers, and make its digest fit."""
    file = file_of(run)
    _, said, packed = file.read_bytes().split(b"\n", 2)
    content, packed = change(json.loads(said), packed)
    body = json.dumps(content).replace("Infinity", "1e999").encode() + b"\n" + packed
    file.write_bytes(f'{{"sha256": "{digest_of(body)}"}}\n'.encode() + body)


def wolf(place: int, value: Any) -> Any:
    """Gives the content another value in the entry of the wolf: images, images with a number, highest, lowest."""

    def change(content: dict[str, Any]) -> Any:
        content["classes"]["wolf"][place] = value
        return content

    return change


@pytest.mark.parametrize(
    "change",
    [
        lambda content: [1],
        lambda content: {name: value for name, value in content.items() if name != "names"},
        lambda content: content | {"classes": 3},
        lambda content: content | {"values": [0.5, 1.2]},
        lambda content: content | {"values": [0.5, 1.2, "x"]},
        lambda content: content | {"values": [0.5, 1.2, 10**400]},
        lambda content: content | {"values": [0.5, 1.2, math.inf]},
        lambda content: content | {"values": [1.5, 1.2, 0.5]},
        lambda content: content | {"values": [0.5, 1.2, 1.2]},
        wolf(0, math.inf),
        wolf(0, 2),
        wolf(0, "3"),
        wolf(1, 2),
        wolf(1, 4),
        wolf(1, -1),
        wolf(2, []),
        wolf(3, [["a"]]),
        lambda content: content | {"classes": content["classes"] | {"fox": [1, 1, [["a", 0.5]], [["a", 0.5]]]}},
    ],
)
def test_what_no_audit_wrote_is_one_sentence(run: AuditResult, tmp_path: Path, change: Any) -> None:
    forged(run, lambda content, packed: (change(content), packed))
    with pytest.raises(ResultError, match=r"background_excess\.numbers' is damaged"):
        gates(run, tmp_path)


@pytest.mark.parametrize("packed", [b"", b"\1\2", b"\1\2\3\1", b"\1\2\4", b"\1\2\0"])
def test_bytes_of_images_that_do_not_fit_are_one_sentence(run: AuditResult, tmp_path: Path, packed: bytes) -> None:
    forged(run, lambda content, _: (content, packed))
    with pytest.raises(ResultError, match=r"background_excess\.numbers' is damaged"):
        gates(run, tmp_path)


@pytest.mark.parametrize("more", [b"\0", b"\0" * 8])
def test_floats_that_do_not_fit_are_one_sentence(tmp_path: Path, more: bytes) -> None:
    run = written(tmp_path / "run", excess(*(i / 200 for i in range(MOST_VALUES + 1))))
    before = gates(run, tmp_path)
    forged(run, lambda content, packed: (content, packed))
    assert gates(run, tmp_path).rows == before.rows
    forged(run, lambda content, packed: (content, packed + more))
    with pytest.raises(ResultError, match=r"background_excess\.numbers' is damaged"):
        gates(run, tmp_path)


@pytest.mark.parametrize("of", ["column", "format", "sha256", "bytes"])
def test_numbers_of_something_else_are_left_aside(run: AuditResult, tmp_path: Path, of: str) -> None:
    """A file of another column, version or table: what the table says holds."""
    before = gates(run, tmp_path)
    greener = {"values": [0.0], "classes": {"wolf": [3, 3, [["a", 0.0]] * 3, [["a", 0.0]] * 3]}}
    forged(run, lambda content, _: (content | greener | {of: 7}, b"\1" * 3))
    assert gates(run, tmp_path).rows == before.rows


def test_numbers_of_an_older_table_are_left_aside(tmp_path: Path) -> None:
    """A command wrote the table anew and not the numbers."""
    run = written(tmp_path / "run", excess(0.5, 0.6, 0.7))
    green = gates(run, tmp_path)
    images = table("images", excess(0.5, 1.2, 1.5))
    write_table(Run(run.path), "images", images)
    write_audit_json(run)
    red = gates(load(run.path), tmp_path)
    assert row_of(green, "max_background_excess").status != row_of(red, "max_background_excess").status == FAILED


@pytest.mark.parametrize("large", [False, True])
def test_an_edited_table_is_noticed(
    run: AuditResult, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, large: bool
) -> None:
    """Whether it is hashed or told by its time, also where its size stays what it was."""
    if large:
        monkeypatch.setattr(image_numbers, "HASHED", 0)
    gates(run, tmp_path)
    file, after = run.path / "images.csv", (run.path / "audit.json").stat().st_mtime_ns + 10**9
    file.write_bytes(file.read_bytes().replace(b"1.2", b"0.2"))
    os.utime(file, ns=(after, after))
    with pytest.raises(ResultError, match="was changed after the run was written"):
        gates(run, tmp_path)
    file.write_bytes(file.read_bytes() + b"\n")
    before = after - 10**10
    os.utime(file, ns=(before, before))
    with pytest.raises(ResultError, match="was changed after the run was written"):
        gates(run, tmp_path)


def test_a_copied_large_run_is_hashed_and_passes(
    run: AuditResult, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, no_table: None
) -> None:
    monkeypatch.setattr(image_numbers, "HASHED", 0)
    after = (run.path / "audit.json").stat().st_mtime_ns + 10**9
    os.utime(run.path / "images.csv", ns=(after, after))
    assert row_of(gates(run, tmp_path), "max_background_excess").n == 3


def test_a_link_in_the_place_of_the_folder_is_replaced(tmp_path: Path) -> None:
    (tmp_path / "elsewhere").mkdir()
    folder = tmp_path / "run"
    folder.mkdir()
    (folder / FOLDER).symlink_to(tmp_path / "elsewhere")
    run, images = Run(folder, lambda _: None), table("images", excess(0.5))
    write_table(run, "images", images)
    write_numbers(run, images, least=0)
    assert not list((tmp_path / "elsewhere").iterdir())
    assert not (folder / FOLDER).is_symlink()


# -- what is written ------------------------------------------------------------------------


def test_small_runs_have_none(tmp_path: Path) -> None:
    """Reading the table takes as long there."""
    for n, there in ((LEAST - 1, False), (LEAST, True)):
        folder = tmp_path / str(n)
        folder.mkdir()
        run, images = Run(folder), table("images", excess(*[0.5] * n))
        write_table(run, "images", images)
        write_numbers(run, images)
        assert (folder / FOLDER).is_dir() is there


def test_every_column_of_numbers_has_a_file(run: AuditResult) -> None:
    wanted = {f"{column.name}{SUFFIX}" for column in TABLES["images"] if column.kind != "string"}
    assert {file.name for file in (run.path / FOLDER).iterdir()} == wanted


def test_a_name_that_stands_twice_is_left_to_the_table(tmp_path: Path) -> None:
    run = written(tmp_path / "run", excess(0.5, 1.2) + excess(0.7))
    assert not (run.path / FOLDER).exists()


def test_a_column_of_many_values_keeps_no_single_images(tmp_path: Path) -> None:
    run = written(tmp_path / "run", excess(*(i / 200 for i in range(MOST_VALUES + 1))))
    _, said, packed = file_of(run).read_bytes().split(b"\n", 2)
    assert "values" not in json.loads(said)
    assert len(packed) == 8 * (MOST_VALUES + 1)
    row = row_of(judge(run, _config(tmp_path, 0.4)), "max_background_excess")
    assert row.measured == pytest.approx((MOST_VALUES - 80) / (MOST_VALUES + 1))


def _config(tmp_path: Path, bound: float) -> Any:
    from gate_runs import read

    return read(tmp_path, image_toml(bound))
