"""The code of docs/how-to/in-python.md, run as it stands there, with small photos and without the slow checks."""

from __future__ import annotations

import contextlib
import re
import sys
import types
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from discs import NAMES, QUICK, Discs, by_ground, make_discs
from made_run import made_parts, write_parts

import bias_audit
from bias_audit.gate.metrics import CLASS, DATASET
from bias_audit.run.result import AuditResult, load

PAGE = (Path(__file__).parents[2] / "docs" / "how-to" / "in-python.md").read_text(encoding="utf-8")

BLOCKS = dict(re.findall(r"^```python\n# ([\w ]+)\n(.*?)^```", PAGE, re.M | re.S))
"""Name in the first line of a block -> its code."""

Run = Callable[..., dict[str, Any]]


@pytest.fixture(scope="module")
def discs() -> Discs:
    return make_discs()


@pytest.fixture
def run(discs: Discs, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Run:
    """Runs a block, in a folder that holds the photos and masks as well, and returns the names that it knows then."""
    audit = bias_audit.audit
    monkeypatch.setattr(bias_audit, "audit", lambda *given, **more: audit(*given, **more, **QUICK, interventions=0))
    monkeypatch.chdir(discs.write(tmp_path))

    def ran(name: str, **more: Any) -> dict[str, Any]:
        known = {
            "bias_audit": bias_audit, "model": by_ground, "images": discs.images, "labels": discs.labels,
            "masks": discs.masks, "ids": discs.ids, "folder": "images", "mask_folder": "masks",
            "paths": [f"images/{image_id}" for image_id in discs.ids], "hospitals": ["x", "y"] * 12, **more,
        }  # fmt: skip
        exec(compile(BLOCKS[name], f"in-python.md: {name}", "exec"), known)
        return known

    return ran


def audited(known: dict[str, Any]) -> AuditResult:
    result = known["run"]
    assert isinstance(result, AuditResult)
    assert len(result.images) == 24
    assert set(result.images["label"]) == set(NAMES)
    return result


def test_arrays_lists_and_frames(run: Run, discs: Discs, capsys: pytest.CaptureFixture[str]) -> None:
    result = audited(run("arrays"))
    assert capsys.readouterr().out == f"{result.verdict}\n"
    assert list(result.images.index) == discs.ids
    assert (result.images["mask_status"] == "ok").all()
    frame = audited(run("dataframe"))
    assert list(frame.images["hospital"]) == ["x", "y"] * 12
    assert (frame.images["mask_status"] == "ok").all()
    assert list(audited(run("list")).images.index) == discs.ids


def test_figures(run: Run, tmp_path: Path) -> None:
    made = load(write_parts(made_parts(), tmp_path / "made"))
    run("figures", run=made)
    assert Path("gaps.pdf").read_bytes().startswith(b"%PDF")
    assert Path("strip.png").read_bytes().startswith(b"\x89PNG")


def test_explain(run: Run, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> None:
    explain = bias_audit.explain  # without a network's gradients
    how = {"method": "occlusion", "image_size": (48, 48), "batch_size": 8}
    monkeypatch.setattr(bias_audit, "explain", lambda *given: explain(*given, **how))
    known = run("explain")
    line, predictions = capsys.readouterr().out.splitlines()
    assert line == repr(known["first"])
    assert predictions == str(known["first"].predictions)
    image, heat = known["overlay"]
    assert image.shape[:2] == heat.shape
    assert len(known["pictures"]) == 3


def test_a_cache(run: Run) -> None:
    assert len(list(Path("photo-cache").glob("*.png"))) == 0
    assert Path(audited(run("cache")).info.data).parent == Path("photo-cache")
    assert len(list(Path("photo-cache").glob("*.png"))) == 24


def test_hugging_face(run: Run, discs: Discs) -> None:
    """With an object that has the types of the library: it takes 380 MB to install."""

    class Rows(list):  # type: ignore[type-arg]
        def __init__(self, rows: Any, **features: Any) -> None:
            super().__init__(rows)
            self.features, self.format = features, {"type": None}

        def cast_column(self, name: str, feature: Any) -> Any:
            return self

    def kind(name: str, **more: Any) -> Any:
        return type(name, (), {"__init__": lambda self, decode=True: None, **more})()

    rows = [{"image": image, "label": int(number)} for image, number in zip(discs.images, discs.numbers, strict=True)]
    made = type("Dataset", (Rows,), {"__module__": "datasets.arrow_dataset"})
    hub = {"test": made(rows, image=kind("Image"), label=kind("ClassLabel", names=list(NAMES)))}
    assert audited(run("hugging face", hub=hub)).images.index[0] == "000000"


@pytest.mark.heavy
def test_tensorflow(run: Run) -> None:
    audited(run("tensorflow"))


@pytest.mark.heavy
def test_torch(run: Run, discs: Discs) -> None:
    import torch

    class Photos(torch.utils.data.Dataset):  # type: ignore[type-arg]
        classes = NAMES

        def __len__(self) -> int:
            return 24

        def __getitem__(self, place: int) -> Any:
            image = torch.from_numpy(discs.images[place]).permute(2, 0, 1) / 255
            return image, int(discs.numbers[place])

    audited(run("torch", dataset=Photos()))


def tracker(logged: dict[str, Any]) -> types.ModuleType:
    """What the recipe asks of MLflow, with its rules for names.

    A name is letters, digits and a few signs; the file store makes folders of its parts, so none leads into another.
    """
    made = types.ModuleType("mlflow")

    def log_metrics(metrics: dict[str, float]) -> None:
        for name, value in metrics.items():
            assert re.fullmatch(r"[/\w.\- :]+", name), name
            assert not any(other.startswith(f"{name}/") for other in metrics), name
            assert isinstance(value, float)
        logged.update(metrics)

    made.start_run = contextlib.nullcontext  # type: ignore[attr-defined]
    made.log_metrics = log_metrics  # type: ignore[attr-defined]
    made.log_param = logged.__setitem__  # type: ignore[attr-defined]
    made.log_artifact = lambda path: logged.update(artifact=Path(path).name)  # type: ignore[attr-defined]
    return made


def test_mlflow(result: AuditResult, run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    logged: dict[str, Any] = {}
    monkeypatch.setitem(sys.modules, "mlflow", tracker(logged))
    run("mlflow", run=result)
    assert logged.pop("artifact") == "report.html"
    assert logged.pop("bias_audit") == result.level
    assert logged == {re.sub(r"[^\w.\- :/]", "_", name): value for name, value in result.metrics().items()}


@pytest.mark.heavy
def test_tensorboard(result: AuditResult, run: Run) -> None:
    """The file that TensorBoard reads is read again, event by event."""
    run("tensorboard", run=result, epoch=7)
    import tensorflow as tf

    found = {}
    for file in Path("logs/bias-audit").iterdir():
        for event in tf.compat.v1.train.summary_iterator(str(file)):
            for value in event.summary.value:
                found[value.tag] = (event.step, float(tf.make_ndarray(value.tensor)))
    assert found == {name: (7, pytest.approx(value)) for name, value in result.metrics().items()}


class TestMetrics:
    def test_by_hand(self, result: AuditResult) -> None:
        numbers = result.metrics()
        rows = {row["class_name"]: row for row in result.class_rows}
        for name, row in rows.items():
            for column in ("accuracy", "background_gap"):
                assert numbers.get(f"class/{name}/{column}") == row.get(column)
        gaps = [gap for row in rows.values() if (gap := row.get("background_gap")) is not None]
        assert numbers.get("worst/background_gap") == max(gaps, default=None)
        assert numbers["worst/accuracy"] == min(row["accuracy"] for row in rows.values())
        found = [outcome for outcome in result.outcomes if outcome.found]
        assert numbers["findings/total"] == len(found)
        assert sum(value for name, value in numbers.items() if name.startswith("findings/")) == 2 * len(found)
        assert numbers["rule/BA201/judged"] == sum(rule.judged for rule in result.rules if rule.code == "BA201")
        assert all(isinstance(value, float) and value == value for value in numbers.values())
        assert not any(other.startswith(f"{name}/") for name in numbers for other in numbers)

    def test_the_page_names_what_there_is(self) -> None:
        table = PAGE[PAGE.index("| name | |") : PAGE.index("# mlflow")]
        said = re.findall(r"`([^`]+)`", table)
        assert set(DATASET) <= set(said)
        assert {name.removeprefix("class/NAME/") for name in said if name.startswith("class/")} <= set(CLASS)
