"""Folders and Parquet files of Hugging Face -> samples: the same as of a plain folder, in the forms of `datasets`."""

from __future__ import annotations

import json
import os
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pyarrow
import pyarrow.parquet
import pytest
from packed import as_folder, as_zip, failing, refused, told

from bias_audit.data.locations import read_location, stamp
from bias_audit.data.parquet_cells import RowGroups
from bias_audit.data.sources import open_dataset
from bias_audit.data.sources.attach import attach_masks
from bias_audit.data.sources.options import SourceOptions
from bias_audit.limits.bounds import Limits

PHOTOS = {
    f"{label}/{number}.png": f"{label} {number}".encode() * 50 for label in ("husky", "wolf") for number in range(3)
}
MASKS = {name: b"mask of " + data for name, data in PHOTOS.items() if not name.endswith("/2.png")}
TEST = SourceOptions(split="test")

CSV = "file_name,label,mask_file_name,site\n" + "".join(
    f"{name},{name.partition('/')[0]},{f'masks/{name}' if name in MASKS else ''},A\n" for name in PHOTOS
)
ROWS = [
    {
        "file_name": name,
        "label": name.partition("/")[0],
        "mask_file_name": f"masks/{name}" if name in MASKS else None,
        "site": "A",
    }
    for name in PHOTOS
]


def picture(data: bytes | None, path: str | None) -> dict[str, object] | None:
    """A cell of a picture as `datasets` writes it."""
    return None if data is None and path is None else {"bytes": data, "path": path}


def as_parquet(
    file: Path,
    rows: Sequence[Mapping[str, object]],
    names: Sequence[str] | None = ("husky", "wolf"),
    group: int = 2,
    features: object = None,
) -> Path:
    """Write rows with the schema and the metadata that `datasets` 5.2 writes for Image and ClassLabel columns."""
    kind = pyarrow.struct([("bytes", pyarrow.binary()), ("path", pyarrow.string())])
    fields: list[Any] = []
    described: dict[str, object] = {}
    for name in rows[0]:
        if name in ("image", "mask", "other"):
            fields.append((name, kind))
            described[name] = {"_type": "Image"}
        elif name == "label" and names is not None:
            fields.append((name, pyarrow.int64()))
            described[name] = {"names": list(names), "_type": "ClassLabel"}
        else:
            fields.append((name, pyarrow.array([row[name] for row in rows]).type))
    table = pyarrow.Table.from_pylist([dict(row) for row in rows], pyarrow.schema(fields))
    metadata = {"huggingface": json.dumps(features or {"info": {"features": described}})}
    file.parent.mkdir(parents=True, exist_ok=True)
    pyarrow.parquet.write_table(table.replace_schema_metadata(metadata), file, row_group_size=group)
    return file


def rows_of(
    photos: Mapping[str, bytes], path: Callable[[str], str | None] = lambda name: name
) -> list[dict[str, object]]:
    labels = ("husky", "wolf")
    return [
        {
            "image": picture(data, path(name)),
            "label": labels.index(name.partition("/")[0]),
            "mask": picture(MASKS.get(name), path(name)) if name in MASKS else None,
            "site": "A",
        }
        for name, data in photos.items()
    ]


class TestAsTheFolder:
    """The form changes nothing: ids, labels, contents and masks are those of a folder per class."""

    @pytest.fixture
    def expected(self, tmp_path: Path) -> list[tuple[object, ...]]:
        plain = open_dataset(as_folder(tmp_path / "plain", PHOTOS), None)
        found = told(attach_masks(plain, as_folder(tmp_path / "plain masks", MASKS)))
        return [(*each[:3], {"site": "A"}, *each[4:]) for each in found]

    @pytest.mark.parametrize("name", ["metadata.csv", "metadata.jsonl", "metadata.parquet"])
    @pytest.mark.parametrize("packed", [False, True])
    def test_metadata(self, tmp_path: Path, name: str, packed: bool, expected: list[tuple[object, ...]]) -> None:
        files = {**PHOTOS, **{f"masks/{each}": data for each, data in MASKS.items()}}
        if name == "metadata.parquet":
            pyarrow.parquet.write_table(pyarrow.Table.from_pylist(ROWS), tmp_path / name)
            files[name] = (tmp_path / name).read_bytes()
        else:
            files[name] = (CSV if name.endswith("csv") else "\n".join(map(json.dumps, ROWS))).encode()
        data = as_zip(tmp_path / "p.zip", files, below="photos/") if packed else as_folder(tmp_path / "data", files)
        dataset = open_dataset(data, None)
        assert told(dataset) == expected
        assert (dataset.source, dataset.columns, dataset.left_out) == ("hugging_face", ("site",), {})

    @pytest.mark.parametrize("shards", [1, 2])
    def test_parquet(self, tmp_path: Path, shards: int, expected: list[tuple[object, ...]]) -> None:
        rows, size = rows_of(PHOTOS), -(-len(PHOTOS) // shards)
        for number in range(shards):
            part = rows[number * size : (number + 1) * size]
            as_parquet(tmp_path / f"data/data/test-{number:05}-of-{shards:05}.parquet", part)
        dataset = open_dataset(tmp_path / "data", None)
        assert told(dataset) == expected
        assert (dataset.source, dataset.columns) == ("parquet", ("site",))

    def test_parquet_with_class_names(self, tmp_path: Path, expected: list[tuple[object, ...]]) -> None:
        rows = [{**row, "label": ("husky", "wolf")[int(str(row["label"]))]} for row in rows_of(PHOTOS)]
        assert told(open_dataset(as_parquet(tmp_path / "t.parquet", rows, None, features={}), None)) == expected

    def test_what_datasets_writes(self, tmp_path: Path) -> None:
        """The bytes of the metadata, as `datasets` 5.2 wrote them."""
        file = as_parquet(tmp_path / "t.parquet", [{"image": picture(b"x", "a"), "label": 0}])
        schema = pyarrow.parquet.read_schema(file)
        assert str(schema.field("image").type) == "struct<bytes: binary, path: string>"
        assert schema.metadata[b"huggingface"] == (
            b'{"info": {"features": {"image": {"_type": "Image"}, '
            b'"label": {"names": ["husky", "wolf"], "_type": "ClassLabel"}}}}'
        )


class TestImageFolder:
    def test_parts_by_folder(self, tmp_path: Path) -> None:
        _files(tmp_path, "train/a/1.jpg", "val/a/1.jpg", "test/a/1.jpg", "test/b/2.webp", "test/b/readme.txt")
        refused(lambda: open_dataset(tmp_path, None), "'test', 'val', 'train'", "parts of a data set", "--split test")
        dataset = open_dataset(tmp_path, None, TEST)
        assert [sample.image_id for sample in dataset.samples] == ["test/a/1.jpg", "test/b/2.webp"]
        assert dataset.class_names == ("a", "b")
        assert dataset.left_out == {"are of other parts than test (train, validation), see --split": 2}
        assert dataset.splits == {"test": 2, "train": 1, "validation": 1}
        for name in ("val", "validation"):
            (sample,) = open_dataset(tmp_path, None, SourceOptions(split=name)).samples
            assert sample.image_id == "val/a/1.jpg"
        refused(lambda: open_dataset(tmp_path, None, SourceOptions(split="x")), "no part 'x'", "'train', 'validation'")

    def test_metadata_in_the_folder_of_a_part(self, tmp_path: Path) -> None:
        _files(tmp_path, "train/1.jpg", "test/1.jpg", "test/deep/2.jpg", "test/3.jpg")
        (tmp_path / "train/metadata.csv").write_text("file_name,label\n1.jpg,a\n")
        (tmp_path / "test/metadata.csv").write_text("file_name,label\n1.jpg,a\ndeep/2.jpg,b\ngone.jpg,b\n")
        dataset = open_dataset(tmp_path, None)
        assert [sample.image_id for sample in dataset.samples] == ["test/1.jpg", "test/deep/2.jpg", "test/gone.jpg"]
        assert dataset.left_out == {
            "are of other parts than test (train), see --split": 1, "are listed in no metadata file": 1,
        }  # fmt: skip
        assert not dataset.samples[2].path.exists()  # a row when it is read

    def test_parts_by_metadata_at_the_root(self, tmp_path: Path) -> None:
        _files(tmp_path, "train/1.jpg", "test/1.jpg")
        (tmp_path / "metadata.csv").write_text("file_name,label\ntrain/1.jpg,a\ntest/1.jpg,b\n")
        assert [sample.image_id for sample in open_dataset(tmp_path, None).samples] == ["test/1.jpg"]
        (tmp_path / "metadata.csv").write_text("file_name,label,split\ntrain/1.jpg,a,val\ntest/1.jpg,b,train\n")
        assert [sample.image_id for sample in open_dataset(tmp_path, None).samples] == ["train/1.jpg"]

    def test_labels_by_folder(self, tmp_path: Path) -> None:
        _files(tmp_path, "a/1.jpg", "b/2.jpg")
        (tmp_path / "metadata.jsonl").write_text('{"file_name": "a/1.jpg"}\n\n{"file_name": "b/2.jpg"}\n')
        dataset = open_dataset(tmp_path, None)
        assert [dataset.class_names[sample.label] for sample in dataset.samples] == ["a", "b"]

    def test_a_picture_without_label_is_counted(self, tmp_path: Path) -> None:
        _files(tmp_path, "1.jpg", "2.jpg")
        (tmp_path / "metadata.csv").write_text("file_name,label\n1.jpg,a\n2.jpg,\n")
        assert open_dataset(tmp_path, None).left_out == {"have no label": 1}

    def test_further_columns(self, tmp_path: Path) -> None:
        _files(tmp_path, "1.jpg", "2.jpg", "side/1.jpg")
        rows = [
            {"file_name": "1.jpg", "label": 1, "age": 3, "box": [1], "mixed": 1, "side_file_name": "side/1.jpg"},
            {"file_name": "2.jpg", "label": 0, "age": None, "mixed": "x", "large": 2**63},
        ]
        (tmp_path / "metadata.jsonl").write_text("\n".join(map(json.dumps, rows)))
        dataset = open_dataset(tmp_path, ("zero", "one"))
        assert [sample.label for sample in dataset.samples] == [1, 0]
        assert [dict(sample.columns) for sample in dataset.samples] == [
            {"age": 3, "mixed": "1", "side_file_name": "side/1.jpg", "large": None},
            {"age": None, "mixed": "x", "side_file_name": None, "large": str(2**63)},
        ]
        assert dataset.left_out == {}

    def test_a_table_called_metadata_that_lists_no_files(self, tmp_path: Path) -> None:
        _files(tmp_path, "a/1.jpg", "b/2.jpg")
        (tmp_path / "metadata.csv").write_text("camera,lens\nx,y\n")
        assert open_dataset(tmp_path, None).source == "folder"

    @pytest.mark.parametrize(
        ("name", "text", "says"),
        [
            ("metadata.csv", "file_name,label\n../x.jpg,a\n", ["row 2", "leaves the folder"]),
            ("metadata.csv", "file_name,label\n/etc/passwd,a\n", ["row 2", "leaves the folder"]),
            ("metadata.csv", "file_name,mask_file_name,label\n1.jpg,../m.png,a\n", ["row 2", "leaves the folder"]),
            ("metadata.csv", "file_name,label\n1.jpg,a\n./1.jpg,b\n", ["'1.jpg'", "twice"]),
            ("metadata.csv", "file_name,label\n,a\n", ["row 2", "no image path"]),
            ("metadata.csv", "file_name\n1.jpg\n", ["no picture a label", "'label'"]),
            ("metadata.csv", "image,label,x_file_name\n1.jpg,a,1.jpg\n", ["no column 'file_name'", "'image'"]),
            ("metadata.jsonl", '{"file_name": "1.jpg", "label": "a"}\n{"file_name"', ["row 2", "not valid JSON"]),
            ("metadata.jsonl", '{"file_name": "1.jpg", "label": "a"}\n{"label": "b"}', ["row 2", "no image path"]),
            ("metadata.jsonl", '"file_name"\n', ["row 1", "no object"]),
            ("metadata.jsonl", '{"file_name": "1.jpg", "file_name": "2.jpg"}', ["row 1", "twice"]),
            ("metadata.csv", "file_name,label\n", ["lists no pictures"]),
        ],
    )
    def test_bad_metadata_is_one_sentence(self, tmp_path: Path, name: str, text: str, says: list[str]) -> None:
        _files(tmp_path, "1.jpg")
        (tmp_path / name).write_text(text)
        refused(lambda: open_dataset(tmp_path, None), *says)

    def test_two_metadata_files(self, tmp_path: Path) -> None:
        for name in ("metadata.csv", "metadata.jsonl"):
            (tmp_path / name).write_text("file_name,label\n")
        refused(lambda: open_dataset(tmp_path, None), "one of them is enough")

    def test_columns_are_bounded(self, tmp_path: Path) -> None:
        (tmp_path / "metadata.jsonl").write_text(
            json.dumps({"file_name": "1", "label": "a", **{f"c{n}": n for n in range(9)}})
        )
        options = SourceOptions(limits=Limits(columns=8))
        refused(lambda: open_dataset(tmp_path, None, options), "9 columns, beyond the limit columns of 8")


class TestParquet:
    def test_ids_by_row_where_paths_repeat_or_lead_out(self, tmp_path: Path) -> None:
        for given in (
            lambda name: name.rpartition("/")[2],
            lambda name: None,
            lambda name: f"/home/{name}",
            lambda name: f"../{name}",
        ):
            as_parquet(tmp_path / "data/x.parquet", rows_of(PHOTOS, given))
            ids = [sample.image_id for sample in open_dataset(tmp_path / "data", None).samples]
            assert ids == [f"x.parquet#{row}" for row in range(6)]

    def test_parts_by_file_and_folder(self, tmp_path: Path) -> None:
        as_parquet(tmp_path / "data/train-00000-of-00001.parquet", rows_of(PHOTOS))
        as_parquet(tmp_path / "data/seen-00000-of-00001.parquet", rows_of(PHOTOS))
        refused(lambda: open_dataset(tmp_path, None, TEST), "no part 'test'", "'seen', 'train'")
        dataset = open_dataset(tmp_path, None)
        assert (len(dataset.samples), dataset.left_out) == (6, {"are of other parts than train (seen), see --split": 6})
        assert dataset.splits == {"seen": 6, "train": 6}
        assert open_dataset(tmp_path, None, SourceOptions(split="seen")).samples[0].path.file.name.startswith("seen")
        (tmp_path / "data/train-00000-of-00001.parquet").rename(tmp_path / "data/own-00000-of-00001.parquet")
        refused(lambda: open_dataset(tmp_path, None), "'own', 'seen'", "--split NAME")

    def test_labels(self, tmp_path: Path) -> None:
        rows = [{"image": picture(b"x", f"{number}.png"), "label": number} for number in (10, 9, -1, 2)]
        file = as_parquet(tmp_path / "t.parquet", rows, None, features={})
        dataset = open_dataset(file, None)
        assert dataset.class_names == tuple(map(str, range(11)))
        assert [sample.label for sample in dataset.samples] == [10, 9, 2]
        assert dataset.left_out == {"have no label": 1}
        refused(lambda: open_dataset(file, ("a", "b")), "the label 2 is no class of the class map", "'a', 'b'")
        named = as_parquet(tmp_path / "n.parquet", rows, [f"class {number}" for number in range(11)])
        assert open_dataset(named, None).class_names[10] == "class 10"
        refused(
            lambda: open_dataset(as_parquet(tmp_path / "n.parquet", rows, ["a"]), None),
            "the label 10 has no name",
            "names 1 classes",
        )

    def test_names_that_are_numbers_are_not_taken_for_the_labels(self, tmp_path: Path) -> None:
        rows = [{"image": picture(b"x", f"{number}.png"), "label": number} for number in (1, 2)]
        dataset = open_dataset(as_parquet(tmp_path / "t.parquet", rows, ["1", "2", "3"]), None)
        assert [dataset.class_names[sample.label] for sample in dataset.samples] == ["2", "3"]

    def test_the_label_column(self, tmp_path: Path) -> None:
        features = {"info": {"features": {"kind": {"names": ["x", "y"], "_type": "ClassLabel"}}}}
        rows = [{"image": picture(b"x", "1"), "kind": 1, "other number": 5}]
        dataset = open_dataset(as_parquet(tmp_path / "t.parquet", rows, None, features=features), None)
        assert (dataset.class_names, dataset.columns) == (("x", "y"), ("other number",))
        rows = [{"image": picture(b"x", "1"), "coarse": 1, "fine": 5}]
        file = as_parquet(tmp_path / "u.parquet", rows, None, features={})
        refused(lambda: open_dataset(file, None), "plainly the label", "'coarse', 'fine'")

    def test_rows_without_bytes_are_rows(self, tmp_path: Path) -> None:
        rows = [
            {"image": picture(None, "/etc/passwd"), "label": 0, "mask": picture(None, "m")},
            {"image": picture(b"x", "2"), "label": 1, "mask": picture(b"m", "m")},
        ]
        first, second = open_dataset(as_parquet(tmp_path / "t.parquet", rows), None).samples
        assert failing(first.path) == failing(first.mask) == "its cell holds no bytes"
        assert (read_location(second.path), read_location(second.mask)) == (b"x", b"m")

    def test_paths_alone_are_one_sentence(self, tmp_path: Path) -> None:
        rows = [{"image": picture(None, f"/home/{number}.png"), "label": 0} for number in range(5)]
        file = as_parquet(tmp_path / "t.parquet", rows)
        refused(lambda: open_dataset(file, None), "paths of pictures and no bytes", "embed_table_storage")

    def test_other_columns_in_another_file(self, tmp_path: Path) -> None:
        as_parquet(tmp_path / "a.parquet", rows_of(PHOTOS))
        as_parquet(tmp_path / "b.parquet", rows_of(PHOTOS), ["wolf", "husky"])
        refused(lambda: open_dataset(tmp_path, None), "b.parquet", "other columns or class names")

    def test_a_table_stays_a_table(self, tmp_path: Path) -> None:
        table = pyarrow.table({"image": ["a.jpg", "b.jpg"], "label": ["a", "b"]})
        pyarrow.parquet.write_table(table, tmp_path / "t.parquet")
        assert open_dataset(tmp_path / "t.parquet", None).source == "table"

    @pytest.mark.parametrize(
        "text", ["{", '{"info": {"features": {"label": {"names": [1], "_type": "ClassLabel"}}}}', "[" * 5000,
                 '{"info": {"features": {"label": {"names": ["a", "a"], "_type": "ClassLabel"}}}}'],
    )  # fmt: skip
    def test_damaged_metadata_is_one_sentence(self, tmp_path: Path, text: str) -> None:
        file = as_parquet(tmp_path / "t.parquet", rows_of(PHOTOS))
        table = pyarrow.parquet.read_table(file).replace_schema_metadata({"huggingface": text})
        pyarrow.parquet.write_table(table, file)
        refused(lambda: open_dataset(file, None), "its metadata of `datasets` are")

    def test_a_row_group_beyond_the_limit(self, tmp_path: Path) -> None:
        rows = [{"image": picture(bytes([number]) * 1000, str(number)), "label": 0} for number in range(8)]
        limits = SourceOptions(limits=Limits(member_bytes=7000))
        file = as_parquet(tmp_path / "t.parquet", rows, group=8)
        refused(
            lambda: open_dataset(file, None, limits), "a row group", "limit member_bytes of 7,000", "row_group_size"
        )
        file = as_parquet(tmp_path / "t.parquet", rows, group=4)
        assert len(open_dataset(file, None, limits).samples) == 8

    def test_one_picture_in_every_row_is_counted_as_often(self, tmp_path: Path) -> None:
        rows = [{"image": picture(b"x" * 10_000, str(number)), "label": 0} for number in range(100)]
        limits = SourceOptions(limits=Limits(member_bytes=100_000))
        file = as_parquet(tmp_path / "t.parquet", rows, group=100)  # stored once, in a dictionary: 10 KB
        sample = open_dataset(file, None, limits).samples[0]
        assert "its row group takes 120,000 bytes, beyond the limit member_bytes" in failing(sample.path)

    def test_places(self, tmp_path: Path) -> None:
        file = as_parquet(tmp_path / "t.parquet", rows_of(PHOTOS))
        one, other = (open_dataset(file, None).samples for _ in range(2))
        assert [sample.path for sample in one] == [sample.path for sample in other]
        assert len({sample.path for sample in one} | {sample.mask for sample in one if sample.mask}) == 10
        assert (str(one[3].path), one[3].path.name) == (f"{file}#3 (image)", "0.png")
        before = stamp(one[3].path)
        assert stamp(other[3].path) == before != stamp(one[2].path)
        os.utime(file, ns=(1, 1))
        assert stamp(one[3].path) != before
        assert failing(one[3].path) == "the Parquet file was changed after it was listed"
        file.unlink()
        assert stamp(one[3].path) == "missing"
        assert "No such file" in failing(one[3].path)


class TestRowGroups:
    def test_it_keeps_few_and_reads_each_once_while_it_does(
        self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        read: list[int] = []

        def reading(file: Path, column: str, group: int, listed: str, most: int) -> list[bytes | None]:
            read.append(group)
            return [bytes(40), None]

        monkeypatch.setattr("bias_audit.data.parquet_cells._read", reading)
        groups = RowGroups(100)
        for group in (0, 0, 1, 0, 2, 0, 1):  # two fit; the one that was asked for longest ago goes
            assert groups.rows(tmp_path, "image", group, "", 1) == [bytes(40), None]
        assert read == [0, 1, 2, 1]
        small = RowGroups(10)
        assert [len(small.rows(tmp_path, "image", group, "", 1)) for group in (0, 0, 1)] == [2, 2, 2]
        assert read[4:] == [0, 1]

    def test_threads(self, tmp_path: Path) -> None:
        rows = [{"image": picture(bytes([number]) * 500, str(number)), "label": 0} for number in range(60)]
        samples = open_dataset(as_parquet(tmp_path / "t.parquet", rows, ["a", "b"], group=7), None).samples
        with ThreadPoolExecutor(8) as pool:
            read = list(pool.map(lambda number: read_location(samples[number * 17 % 60].path), range(300)))
        assert read == [bytes([number * 17 % 60]) * 500 for number in range(300)]


def _files(root: Path, *names: str) -> None:
    as_folder(root, {name: name.encode() for name in names})
