"""Data sets in archives, shards, Parquet files and folders of Hugging Face: damaged, lying, leading elsewhere."""

from __future__ import annotations

import io
import json
import struct
import tarfile
import warnings
import zipfile
from pathlib import Path
from random import Random
from typing import Any

from .changing import ODD_TEXTS, as_json, changed_bytes, changed_text, changed_value
from .trying import EXECUTED, HARMLESS, LOST, WRONG, Attempt, Kind, in_child, sentence

SECRET = b"a file that no data set names"
PHOTOS = {f"{label}/{number}.png": f"picture {label} {number} ".encode() * 40 for label in "ab" for number in range(3)}
MOST = 10**7
LONG = f"b/{'deep/' * 30}3.png"
ARCHIVES = ("stored.zip", "deflated.zip", "pax.tar", "gnu.tar", "shard.tar")


def archive_bytes(attempt: Attempt) -> str:
    """Changes of an archive's bytes: a sentence, or rows; a changed zip gives no bytes but those packed."""
    rng = attempt.rng
    name = rng.choice(ARCHIVES)
    data = (attempt.world / name).read_bytes()
    done = []
    for _ in range(rng.choice((1, 1, 2, 3))):
        data, said = changed_bytes(data, rng)
        done.append(said)
    attempt.what = f"{name}: {'; '.join(done)}"
    file = attempt.folder / name
    file.write_bytes(data)
    contents: list[bytes] = []
    dataset, answer = _opened(attempt, file, contents)
    if dataset is None:
        return answer
    if name.endswith(".zip") and not {*contents} <= {*PHOTOS.values(), SECRET, b"picture"}:
        attempt.bad(WRONG, f"bytes that nobody packed: {[each[:40] for each in contents]}")
    said = repr((dataset.unread_folders, dataset.ignored_files, dict(dataset.left_out)))
    if name in ("pax.tar", "gnu.tar") and len(dataset.samples) < len(PHOTOS) and len(said) < 20:
        attempt.bad(LOST, f"{len(dataset.samples)} of {len(PHOTOS)} photos, and nobody says so")
    return answer


def archive_members(attempt: Attempt) -> str:
    """Members with odd names, links, devices, lying sizes and bombs: nothing outside is read, and nothing large."""
    rng = attempt.rng
    secret = attempt.folder / "secret.png"
    secret.write_bytes(SECRET)
    out = rng.choice(
        (str(secret), "../secret.png", "a/../../secret.png", "..\\secret.png", "C:/secret.png", "a/./secret.png")
    )
    kind = rng.choice(("zip", "tar"))
    how = rng.choice(("a name", "a link", "an odd name", "twice", "a lie", "a bomb", "many", "a file for a folder"))
    attempt.what = f"{kind} with {how}: {out if how in ('a name', 'a link') else ''}"
    file = attempt.folder / f"x.{kind}"
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        (_zip if kind == "zip" else _tar)(file, how, out, rng)
    place = file if rng.random() < 0.8 else file / rng.choice(("a", "b", "a/0.png", "none", "t.csv"))
    contents: list[bytes] = []
    return in_child(lambda: _opened(attempt, place, contents)[1], 60)


def _odd_name(rng: Random) -> str:
    return rng.choice((*ODD_TEXTS, "a//b.png", "/", "a/", "./a.png", "con.png", "a\\b.png", "x" * 9000)) or "a"


def _name(how: str, out: str, rng: Random) -> str:
    return {"a name": out, "an odd name": _odd_name(rng), "twice": "a/0.png"}.get(how, "b/9.png")


def _zip(file: Path, how: str, out: str, rng: Random) -> None:
    with zipfile.ZipFile(file, "w", zipfile.ZIP_DEFLATED) as packed:
        for name, data in PHOTOS.items():
            packed.writestr(name, data)
        packed.writestr("t.csv", f"image,label\na/0.png,a\n{out},b\n")
        info = zipfile.ZipInfo(
            {"a name": out, "an odd name": _odd_name(rng)[:30_000], "twice": "a/0.png"}.get(how, "b/9.png")
        )
        info.compress_type = zipfile.ZIP_DEFLATED
        content: bytes = b"picture"
        if how == "a link":
            info.external_attr, content = 0o120777 << 16, out.encode()
        elif how == "a bomb":
            content = bytes(rng.choice((10**6, 5 * 10**7)))
        elif how == "a file for a folder":
            info.filename = "a"
        for _ in range(500 if how == "many" else 1):
            packed.writestr(info, content)
    if how == "a lie":
        data = bytearray(file.read_bytes())
        at = data.rindex(b"PK\1\2")
        field = at + rng.choice((8, 10, 16, 20, 24, 28, 42))
        data[field : field + 4] = struct.pack("<I", rng.choice((0, 1, 2**31, 2**32 - 2, 10**6, rng.randrange(2**32))))
        file.write_bytes(data)


def _tar(file: Path, how: str, out: str, rng: Random) -> None:
    with tarfile.open(file, "w", format=rng.choice((tarfile.PAX_FORMAT, tarfile.GNU_FORMAT))) as packed:
        for name, data in PHOTOS.items():
            _add(packed, name, data)
        _add(packed, "t.csv", f"image,label\na/0.png,a\n{out},b\n".encode())
        info = tarfile.TarInfo(_name(how, out, rng))
        if how == "a link":
            kinds = (
                tarfile.SYMTYPE,
                tarfile.LNKTYPE,
                tarfile.CHRTYPE,
                tarfile.BLKTYPE,
                tarfile.FIFOTYPE,
                b"S",
                b"V",
                b"D",
            )
            info.type, info.linkname = rng.choice(kinds), out
        elif how == "a file for a folder":
            info.name = "a"
        elif how == "a bomb":
            info.pax_headers = {"GNU.sparse.major": "1", "GNU.sparse.name": "b/9.png", "size": str(10**15)}
        elif how == "a lie":
            info.pax_headers = {
                "size": str(rng.choice((-1, 0, 10**12, "x", 2**70))),
                "path": _odd_name(rng).replace("\ud800", ""),
            }
        for _ in range(500 if how == "many" else 1):
            packed.addfile(info)


def _add(packed: tarfile.TarFile, name: str, data: bytes) -> None:
    info = tarfile.TarInfo(name)
    info.size = len(data)
    packed.addfile(info, io.BytesIO(data))


def metadata(attempt: Attempt) -> str:
    """A metadata file of an image folder with a change: a sentence, or rows of files of the folder."""
    rng = attempt.rng
    name = rng.choice(("metadata.csv", "metadata.jsonl", "metadata.jsonl", "metadata.parquet"))
    data = (attempt.world / name).read_bytes()
    if name.endswith("parquet") or rng.random() < 0.2:
        data, attempt.what = changed_bytes(data, rng)
    elif name.endswith("jsonl") and rng.random() < 0.6:
        rows = [json.loads(line) for line in data.decode().splitlines()]
        attempt.what = changed_value(rows, rng)
        data = b"\n".join(map(as_json, rows))
    else:
        text, attempt.what = changed_text(data.decode(), rng)
        data = text.encode("utf-8", "surrogatepass")
    attempt.what = f"{name}: {attempt.what}"
    root = attempt.folder / "data"
    for each, content in PHOTOS.items():
        (root / each).parent.mkdir(parents=True, exist_ok=True)
        (root / each).write_bytes(content)
    (attempt.folder / "secret.png").write_bytes(SECRET)
    (root / name).write_bytes(data)
    return _opened(attempt, root, [])[1]


def pictures_in_parquet(attempt: Attempt) -> str:
    """A Parquet file of pictures with changed bytes, or with other metadata of `datasets`: a sentence, or rows."""
    import pyarrow.parquet

    rng = attempt.rng
    file = attempt.folder / "test.parquet"
    if rng.random() < 0.5:
        data, attempt.what = changed_bytes((attempt.world / "pictures.parquet").read_bytes(), rng)
        file.write_bytes(data)
    else:
        table = pyarrow.parquet.read_table(attempt.world / "pictures.parquet")
        content = json.loads(table.schema.metadata[b"huggingface"])
        if rng.random() < 0.5:
            attempt.what = changed_value(content, rng)
            text = as_json(content)
        else:
            changed, attempt.what = changed_text(json.dumps(content), rng)
            text = changed.encode("utf-8", "surrogatepass")
        pyarrow.parquet.write_table(table.replace_schema_metadata({b"huggingface": text}), file, row_group_size=2)
    return in_child(lambda: _opened(attempt, file, [])[1], 60)


def _opened(attempt: Attempt, place: Path, contents: list[bytes]) -> tuple[Any, str]:
    """(data set or None, answer) of a place; what its pictures and masks hold is added to `contents`."""
    from bias_audit.data.locations import read_location, stamp
    from bias_audit.data.sources import SourceOptions, open_dataset
    from bias_audit.limits.bounds import Limits

    options = SourceOptions(limits=Limits(member_bytes=MOST))

    found: list[Any] = []
    answer = sentence(lambda: found.append(open_dataset(place, attempt.rng.choice((None, ("a", "b"))), options)))
    if answer != HARMLESS:
        return None, answer
    dataset = found[0]
    ids = [sample.image_id for sample in dataset.samples]
    if len({*ids}) < len(ids) or not all(0 <= sample.label < len(dataset.class_names) for sample in dataset.samples):
        attempt.bad(WRONG, f"ids or labels: {ids[:5]}")
    if any({*sample.columns} != {*dataset.columns} for sample in dataset.samples):
        attempt.bad(WRONG, "columns of a sample are not those of the data set")
    dataset.fingerprint()
    for location in (each for sample in dataset.samples for each in (sample.path, sample.mask) if each is not None):
        stamp(location)
        try:
            contents.append(read_location(location))
        except (OSError, ValueError) as error:
            if not str(error).strip():
                attempt.bad(WRONG, f"no reason why {location} cannot be read")
        if contents and len(contents[-1]) > MOST:
            attempt.bad(WRONG, f"{len(contents[-1]):,} bytes, beyond the limit")
        if contents and contents[-1] == SECRET:
            attempt.bad(EXECUTED, f"{location} is a file outside of the data set")
    return dataset, answer


def prepare(folder: Path) -> None:
    import pyarrow
    import pyarrow.parquet

    for name, method in (("stored", zipfile.ZIP_STORED), ("deflated", zipfile.ZIP_DEFLATED)):
        with zipfile.ZipFile(folder / f"{name}.zip", "w", method) as zipped:
            for each, data in PHOTOS.items():
                zipped.writestr(each, data)
    for name, kind in (("pax", tarfile.PAX_FORMAT), ("gnu", tarfile.GNU_FORMAT)):
        with tarfile.open(folder / f"{name}.tar", "w", format=kind) as packed:
            for each, data in {**PHOTOS, LONG: b"picture"}.items():
                _add(packed, each, data)
    with tarfile.open(folder / "shard.tar", "w") as packed:
        for each, data in PHOTOS.items():
            _add(packed, each, data)
            _add(packed, each.replace(".png", ".mask.png"), data)
            _add(packed, each.replace(".png", ".cls"), each[:1].encode())
            _add(packed, each.replace(".png", ".json"), b'{"label": "a", "age": 5}')
    rows = [{"file_name": name, "label": name[:1], "mask_file_name": name, "age": 3} for name in PHOTOS]
    lines = [[*rows[0]], *(row.values() for row in rows)]
    (folder / "metadata.csv").write_text("\n".join(",".join(map(str, line)) for line in lines))
    (folder / "metadata.jsonl").write_text("\n".join(map(json.dumps, rows)))
    pyarrow.parquet.write_table(pyarrow.Table.from_pylist(rows), folder / "metadata.parquet")
    pictures = [
        {
            "image": {"bytes": data, "path": name},
            "mask": {"bytes": data, "path": None},
            "label": int(name[0] == "b"),
            "age": 3,
        }
        for name, data in PHOTOS.items()
    ]
    features = {
        "image": {"_type": "Image"},
        "mask": {"_type": "Image"},
        "label": {"names": ["a", "b"], "_type": "ClassLabel"},
    }
    described = {"huggingface": json.dumps({"info": {"features": features}})}
    table = pyarrow.Table.from_pylist(pictures).replace_schema_metadata(described)
    pyarrow.parquet.write_table(table, folder / "pictures.parquet", row_group_size=2)


KINDS = {
    "bytes of archives of photos": Kind(archive_bytes, prepare, 40, 60),
    "members of archives of photos": Kind(archive_members, prepare, 10, 12, seconds=90),
    "metadata of image folders": Kind(metadata, prepare, 30, 40),
    "pictures in Parquet files": Kind(pictures_in_parquet, prepare, 10, 12, seconds=90),
}
