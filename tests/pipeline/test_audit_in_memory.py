"""Audits of photos in memory: the tables of the same photos in a folder, and everything that follows an audit."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from discs import NAMES, QUICK, Discs, by_ground, make_discs
from PIL import Image

import bias_audit
from bias_audit.data.in_memory import store
from bias_audit.errors import BiasAuditError, ConfigError, DataError
from bias_audit.pipeline.reopen import dataset_of
from bias_audit.pipeline.rescore import rescore
from bias_audit.run.folder import PHOTOS
from bias_audit.run.result import AuditResult


@pytest.fixture(scope="module")
def discs() -> Discs:
    return make_discs()


@pytest.fixture(scope="module")
def folder(discs: Discs, tmp_path_factory: pytest.TempPathFactory) -> Path:
    return discs.write(tmp_path_factory.mktemp("discs"))


@pytest.fixture(scope="module")
def from_folder(folder: Path, tmp_path_factory: pytest.TempPathFactory) -> AuditResult:
    """The audit to which all others are compared."""
    out = tmp_path_factory.mktemp("audited") / "run"
    result = bias_audit.audit(by_ground, folder / "images", masks=folder / "masks", out=out, **QUICK)
    assert result.level == "SUSPICIOUS"
    return result


def same(result: AuditResult, expected: AuditResult) -> None:
    """Verdict, outcomes and tables are equal, to the last digit."""
    assert result.verdict == expected.verdict
    assert result.outcomes == expected.outcomes
    for name in ("images", "classes", "confusion", "gap_matrix"):
        # Contents are hashes of files, which are coded in other ways for the same pixels.
        own, other = (
            each.table(name).drop(columns=["content", "mask_content"], errors="ignore").sort_index()
            for each in (result, expected)
        )
        pd.testing.assert_frame_equal(own, other, check_exact=True)


class Stands:
    """An object that stands for one of the library `datasets`: the types, and the methods that are called."""

    def __init__(self, rows: list[dict[str, Any]], features: dict[str, Any]) -> None:
        self.rows, self.features, self.format = rows, features, {"type": None}

    def cast_column(self, name: str, feature: Any) -> Stands:
        assert not feature.decode
        return type(self)(self.rows, {**self.features, name: feature})

    def __len__(self) -> int:
        return len(self.rows)

    def __iter__(self) -> Any:
        return iter(self.rows)


HuggingFace = type("Dataset", (Stands,), {"__module__": "datasets.arrow_dataset"})


class Feature:
    def __init__(self, decode: bool = True, names: tuple[str, ...] = (), dtype: str = "") -> None:
        self.decode, self.names, self.dtype = decode, list(names), dtype


ImageFeature = type("Image", (Feature,), {})
ClassLabel = type("ClassLabel", (Feature,), {})
Value = type("Value", (Feature,), {})


def hugging_face(discs: Discs, folder: Path) -> Any:
    """As the library holds an image folder: bytes of files, class labels, and further columns."""
    rows = [
        {
            "img": {"bytes": (folder / "images" / name).read_bytes(), "path": name},
            "coarse": int(number),
            "file": name,
            "mask": {"bytes": None, "path": str(folder / "masks" / name)},
        }
        for name, number in zip(discs.ids, discs.numbers, strict=True)
    ]
    features = {
        "img": ImageFeature(), "coarse": ClassLabel(names=NAMES), "file": Value(dtype="string"), "mask": ImageFeature(),
    }  # fmt: skip
    return HuggingFace(rows, features)


def given(kind: str, discs: Discs, folder: Path) -> dict[str, Any]:
    """What is given to `audit` for the same photos in one form or another."""
    pairs = list(zip(discs.images, discs.labels, discs.masks, strict=True))
    ids = {"ids": discs.ids}
    made: dict[str, Any] = {
        "arrays": {"data": (discs.images, discs.labels), "masks": discs.masks, **ids},
        "floats": {"data": (discs.images / np.float32(255), discs.numbers, discs.masks), **ids, "value_range": (0, 1)},
        "one-hot": {"data": (discs.images.astype(float), np.eye(2)[discs.numbers], discs.masks), **ids},
        "masks in a folder": {"data": (discs.images, discs.labels), "masks": folder / "masks", **ids},
        "frame": {
            "data": pd.DataFrame(
                {"image": list(discs.images), "label": discs.labels, "mask": list(discs.masks), "name": discs.ids}
            ).sample(frac=1, random_state=0),
            "ids": "name",
        },
        "frame of paths": {
            "data": pd.DataFrame(
                {
                    "image": [str(folder / "images" / name) for name in discs.ids],
                    "label": pd.Categorical(discs.labels),
                    "mask": [folder / "masks" / name for name in discs.ids],
                }
            )
        },
        "paths": {
            "data": [(folder / "images" / name, label) for name, label in zip(discs.ids, discs.labels, strict=True)],
            "masks": folder / "masks",
        },
        "pillow": {"data": [(Image.fromarray(image), label, mask) for image, label, mask in pairs], **ids},
        "generator": {"data": iter(pairs), **ids},
        "dicts": {"data": [dict(zip(("image", "label", "mask"), each, strict=True)) for each in pairs], **ids},
        "hugging face": {"data": hugging_face(discs, folder), "ids": "file", "allow_outside": True},
    }
    if kind in ("floats", "one-hot"):  # numbers name themselves, and the class map calls them what they are
        made[kind]["class_map"] = {"blue": [0], "green": [1]}
    return made[kind]


KINDS = (
    "arrays", "floats", "one-hot", "masks in a folder", "frame", "frame of paths", "paths", "pillow", "generator",
    "dicts", "hugging face",
)  # fmt: skip


@pytest.mark.parametrize("kind", KINDS)
def test_the_same_photos_give_the_same_audit(
    kind: str, discs: Discs, folder: Path, from_folder: AuditResult, tmp_path: Path
) -> None:
    result = bias_audit.audit(by_ground, out=tmp_path / "run", **given(kind, discs, folder), **QUICK)
    same(result, from_folder)
    assert any(note.startswith("The photos were given in memory") for note in result.info.notes)
    assert ("rounded to 8 bits" in " ".join(result.info.notes)) == (kind in ("floats", "one-hot"))
    expected = kind not in ("frame of paths", "paths", "hugging face")
    assert dataset_of(result, outside=not expected).samples[0].image_id == "blue/00.png"


def test_what_follows_an_audit_reads_the_cache(discs: Discs, from_folder: AuditResult, tmp_path: Path) -> None:
    """Rescoring without a mask, and the order of the samples: nothing asks for the arrays again."""
    out = tmp_path / "run"
    bias_audit.audit(by_ground, (discs.images, discs.labels, discs.masks), ids=discs.ids, out=out, **QUICK)
    again = rescore(out, out=tmp_path / "again")
    same(again, from_folder)
    assert again.info.data == str(next((out / PHOTOS).glob("*.photos.parquet")))
    assert sum(note.startswith("The photos were given in memory") for note in again.info.notes) == 1


def test_an_interrupted_audit_goes_on(
    discs: Discs, from_folder: AuditResult, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    out, data = tmp_path / "run", {"data": (discs.images, discs.labels, discs.masks), "ids": discs.ids}
    with monkeypatch.context() as broken:
        broken.setattr("bias_audit.pipeline.audit.conclude", lambda *_: (_ for _ in ()).throw(KeyboardInterrupt))
        with pytest.raises(KeyboardInterrupt):
            bias_audit.audit(by_ground, out=out, **data, **QUICK)
    before = {path.name: path.stat().st_mtime_ns for path in (out / PHOTOS).iterdir()}
    with pytest.raises(ConfigError, match="the data changed"):
        bias_audit.audit(by_ground, (discs.images[::-1], discs.labels), out=out, resume=True, **QUICK)
    same(bias_audit.audit(by_ground, out=out, resume=True, **data, **QUICK), from_folder)
    after = {path.name: path.stat().st_mtime_ns for path in (out / PHOTOS).iterdir()}
    assert after == before, "nothing was written again, and what the refused audit kept is gone"


def test_overwriting_keeps_what_is_used_and_removes_the_rest(discs: Discs, tmp_path: Path) -> None:
    out = tmp_path / "run"
    half = np.arange(len(discs.images)) % 12 < 6
    some = [label for label, taken in zip(discs.labels, half, strict=True) if taken]
    bias_audit.audit(by_ground, (discs.images, discs.labels), out=out, masks="none", **QUICK, interventions=0)
    (out / PHOTOS / "mine.txt").write_text("mine")
    assert len(list((out / PHOTOS).glob("*.png"))) == 24
    result = bias_audit.audit(
        by_ground, (discs.images[half], some), out=out, masks="none", overwrite=True, **QUICK, interventions=0
    )
    assert len(list((out / PHOTOS).glob("*.png"))) == len(result.images) == 12
    assert (out / PHOTOS / "mine.txt").exists()
    # The list is a data set by itself, which an audit of it does not take away under its own feet.
    more: dict[str, Any] = {"out": out, "masks": "none", "overwrite": True, **QUICK, "interventions": 0}
    again = bias_audit.audit(by_ground, result.info.data, **more)
    assert list(again.images.index) == list(result.images.index)
    (out / PHOTOS / "mine.txt").unlink()
    bias_audit.audit(by_ground, discs.write(tmp_path / "discs") / "images", **more)
    assert not (out / PHOTOS).exists()


def test_a_cache_of_the_users(discs: Discs, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """It is shared by audits, has no bound but the disk, and is not tidied up."""
    monkeypatch.setattr("bias_audit.pipeline.in_memory.WITHOUT_CACHE", 1000)
    data, out = (discs.images, discs.labels), tmp_path / "run"
    with pytest.raises(ConfigError, match="cache=DIR"):
        bias_audit.audit(by_ground, data, out=out, **QUICK)
    assert not (out / PHOTOS).exists()
    result = bias_audit.audit(by_ground, data, out=out, cache=tmp_path / "kept", masks="none", **QUICK, interventions=0)
    assert Path(result.info.data).parent == tmp_path / "kept"
    assert not (out / PHOTOS).exists()
    monkeypatch.setattr(store.Store, "_write", lambda *_: pytest.fail("something was written again"))
    bias_audit.audit(
        by_ground, data, out=tmp_path / "b", cache=tmp_path / "kept", masks="none", **QUICK, interventions=0
    )


def test_a_folder_that_nobody_named_goes_when_the_audit_fails(
    discs: Discs, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path))
    with pytest.raises(BiasAuditError):
        bias_audit.audit(lambda images: 1 / 0, (discs.images, discs.labels), image_size=(48, 48), **QUICK)
    assert list(tmp_path.iterdir()) == []


def test_a_refused_audit_leaves_a_folder_that_can_be_used(discs: Discs, tmp_path: Path) -> None:
    with pytest.raises(BiasAuditError):
        bias_audit.audit(lambda images: 1 / 0, (discs.images, discs.labels), out=tmp_path / "run", image_size=(8, 8))
    result = bias_audit.audit(
        by_ground, (discs.images, discs.labels), out=tmp_path / "run", masks="none", **QUICK, interventions=0
    )
    assert len(result.images) == 24


def test_what_is_said_of_photos_on_disk(folder: Path, discs: Discs, tmp_path: Path) -> None:
    for name, value in (("ids", ["a"]), ("value_range", (0, 1)), ("cache", tmp_path), ("masks", discs.masks)):
        with pytest.raises(ConfigError, match=f"{name}.*the data are a path"):
            bias_audit.audit(by_ground, folder / "images", **{name: value})


def test_a_sum_of_a_dataset_dict(discs: Discs) -> None:
    parts = type("DatasetDict", (dict,), {"__module__": "datasets.dataset_dict"})
    with pytest.raises(DataError, match="a DatasetDict of") as caught:
        bias_audit.audit(by_ground, parts(train=1, test=2))
    assert "data['test']" in caught.value.hint


def test_no_framework_is_imported_for_arrays() -> None:
    """In a fresh interpreter, as in `tests/architecture`: an object is told by the names of its types."""
    import subprocess

    code = """
import sys
import numpy as np
from bias_audit.data.in_memory.kinds import KINDS, kind_of
assert kind_of((np.zeros((2, 4, 4, 3)), [0, 1])) == "arrays" and len(KINDS) == 6
assert not {"tensorflow", "torch", "datasets", "pandas", "keras"} & set(sys.modules)
"""
    subprocess.run([sys.executable, "-c", code], check=True)
