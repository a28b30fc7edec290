"""From a convicted ONNX file to a repaired one and its proof.

Red and green tell the objects of the world of colours apart: the refit finds them, on backgrounds of both classes, and
the same refit on the photos as they are does not.
"""

from __future__ import annotations

import json
import shutil
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
from colour_world import OBJECTS, SIDE, TEST, TRAIN, files, network, weights
from made_run import info, made_parts, write_parts
from PIL import Image

import bias_audit
from bias_audit.checks.outcomes import LEVELS
from bias_audit.cli import main
from bias_audit.config import AuditConfig
from bias_audit.data.sources.options import SourceOptions
from bias_audit.errors import ConfigError, DataError, ResultError
from bias_audit.heatmaps.methods import Explainer
from bias_audit.models.base import Linear
from bias_audit.models.decoding import geometry_of
from bias_audit.models.doors import load_model
from bias_audit.models.last_layer import last_layer
from bias_audit.pipeline.open_data import open_data
from bias_audit.repair import composites, regions, repairing
from bias_audit.repair.evidence import Proven, Region
from bias_audit.repair.proof import NOTHING, REPAIRED
from bias_audit.repair.result import Repair
from bias_audit.repair.run_photos import RunPhotos, run_photos
from bias_audit.repair.training import read_photos
from bias_audit.repair.writing import to_audit
from bias_audit.run.progress import QUIET, Progress
from bias_audit.run.result import AuditResult, load


def gap(run: AuditResult, name: str = "background_gap") -> float:
    return max(float(run.classes[name][each]) for each in OBJECTS)


def worst(run: AuditResult) -> int:
    return max((LEVELS.index(each.level or LEVELS[0]) for each in run.found()), default=-1)


def typed(world: Path, name: str, folder: Path) -> list[str]:
    """The command that repairs a network of the world into a folder."""
    return [
        "repair", str(world / name), "--model", str(world / f"{name}.onnx"), "--train", str(world / "train"),
        "--train-masks", str(world / "train masks"), "--report", str(folder / "r"), "--out", str(folder / "o.onnx"),
    ]  # fmt: skip


def test_the_network_is_convicted_and_the_repaired_one_is_not(made: Repair) -> None:
    assert worst(made.before) > LEVELS.index("WATCH")
    assert gap(made.before) > 0.9
    assert made.verdict == REPAIRED, made.sentence
    assert gap(made.run) < 0.05
    assert gap(made.run, "background_gap_second_fill") < 0.05
    assert made.run.images["correct"].mean() == 1


def test_the_control_is_no_repair(made: Repair) -> None:
    """Of the photos as they are blue tells most."""
    assert made.control is not None
    assert gap(made.control) > 0.3


def test_the_repaired_file_differs_in_its_last_layer_alone(made: Repair, world: Path) -> None:
    one, two = (last_layer(load_model(world / name, AuditConfig(), None)) for name in ("net.onnx", "repaired.onnx"))
    images = np.random.default_rng(0).uniform(0, 255, (4, SIDE, SIDE, 3)).astype(np.float32)
    assert np.array_equal(one.features(images), two.features(images))
    assert not np.allclose(one.linear.weights, two.linear.weights)
    assert made.model == world / "repaired.onnx"
    assert made.run.info.model_sha256 != made.before.info.model_sha256


def test_the_folder_holds_two_runs_the_page_and_the_numbers_and_nothing_else(made: Repair) -> None:
    assert made.path is not None
    assert {each.name for each in made.path.iterdir()} - {".lock"} == {
        "control", "repaired", "repair.html", "repair.json",
    }  # fmt: skip
    content = json.loads((made.path / "repair.json").read_text())
    assert content["verdict"] == REPAIRED
    assert content["levels"]["after"] == made.run.level
    page = (made.path / "repair.html").read_text()
    assert "Repaired" in page
    assert page.count('class="frame s') >= 4
    assert "McNemar" in page


def test_python_shows_a_table_and_html(made: Repair) -> None:
    table = made.table()
    row = table[(table["class"] == "ant") & (table["what"] == "background gap")].iloc[0]
    assert row["before"] > 0.5
    assert row["after"] < 0.05
    assert row["control"] > row["after"]
    html = made._repr_html_()
    assert "<strong>repaired</strong>" in html
    assert "repaired.onnx" in html


def test_gate_and_compare_read_the_new_run(made: Repair, world: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["compare", str(world / "net"), str(made.run.path), "--out", str(world / "compared.html")]) == 0
    assert main(["gate", str(made.run.path)]) in (0, 1)
    assert not capsys.readouterr().err


def test_nothing_proven_is_nothing_to_repair(world: Path, capsys: pytest.CaptureFixture[str]) -> None:
    made = load(world / "honest").repair(world / "honest.onnx", world / "train")
    assert made.verdict == NOTHING
    assert made.model is None
    assert made.run.path == world / "honest"
    assert made.table().empty
    arguments = [
        "repair",
        str(world / "honest"),
        "--model",
        str(world / "honest.onnx"),
        "--train",
        str(world / "train"),
    ]
    assert main(arguments) == 0
    assert "Nothing to repair" in capsys.readouterr().out
    assert not (world / "honest-repaired").exists()


def test_by_force_an_honest_network_is_refitted_and_stays_honest(
    world: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    arguments = typed(world, "honest", tmp_path)
    assert main([*arguments, "--force"]) == 0
    assert "Nothing was proven before, and nothing is after." in capsys.readouterr().out
    made, run = json.loads((tmp_path / "r" / "repair.json").read_text()), load(tmp_path / "r" / "repaired")
    assert made["verdict"] == NOTHING
    assert made["made"]["against"] == "the background"
    assert {"original", "background", "emptied"} == set(made["made"]["pictures"])
    assert run.images["correct"].mean() == 1
    assert worst(run) <= LEVELS.index("WATCH")
    models = world / "honest.onnx", tmp_path / "o.onnx"
    old, new = (last_layer(load_model(each, AuditConfig(), None)).linear.weights for each in models)
    assert not np.allclose(old, new)


def test_the_photos_of_the_run_are_no_training_photos(world: Path, tmp_path: Path) -> None:
    run = load(world / "net")
    with pytest.raises(DataError, match="all 32 training photos"):
        run.repair(
            world / "net.onnx", world / "test", world / "test masks", report=tmp_path / "r", out=tmp_path / "o.onnx"
        )
    assert not list(tmp_path.iterdir())


def test_some_photos_of_the_run_are_left_out_and_counted(world: Path, tmp_path: Path) -> None:
    shutil.copytree(world / "train", tmp_path / "train")
    for number in range(3):
        shutil.copy(world / "test" / "ant" / f"{number}.png", tmp_path / "train" / "ant" / f"copy {number}.png")
    made = load(world / "net").repair(
        world / "net.onnx", tmp_path / "train", world / "train masks", report=tmp_path / "r", out=tmp_path / "o.onnx"
    )
    assert made.made is not None
    assert any(note.startswith("3 training photos are photos of the run") for note in made.made.notes)
    assert made.made.pictures["original"] == 2 * TRAIN


def near_copies(folder: Path, world: Path, count: int) -> None:
    """Test photos as JPEGs of twice the size, among the training photos of their class."""
    for number in range(count):
        photo = Image.open(world / "test" / "bee" / f"{number}.png").resize((2 * SIDE, 2 * SIDE))
        photo.save(folder / "bee" / f"web {number}.jpg", quality=60)


def test_near_copies_are_left_out_and_counted_apart(world: Path, tmp_path: Path) -> None:
    shutil.copytree(world / "train", tmp_path / "train")
    shutil.copy(world / "test" / "ant" / "0.png", tmp_path / "train" / "ant" / "copy.png")
    near_copies(tmp_path / "train", world, 4)
    made = load(world / "net").repair(
        world / "net.onnx", tmp_path / "train", world / "train masks", report=tmp_path / "r", out=tmp_path / "o.onnx"
    )
    assert made.made is not None
    assert "1 training photos are photos of the run, and were left out." in made.made.notes
    near = [note for note in made.made.notes if "near copies" in note]
    assert near == ["4 training photos are near copies of photos of the run (re-encoded, resized), and were left out."]
    assert made.made.pictures["original"] == 2 * TRAIN


def test_nothing_but_near_copies_is_refused(world: Path, tmp_path: Path) -> None:
    for name in OBJECTS:
        (tmp_path / "train" / name).mkdir(parents=True)
    shutil.copy(world / "test" / "ant" / "0.png", tmp_path / "train" / "ant" / "copy.png")
    near_copies(tmp_path / "train", world, 4)
    with pytest.raises(DataError, match="all 5 training photos that can be read are photos of the run or near copies"):
        load(world / "net").repair(world / "net.onnx", tmp_path / "train", "none", report=tmp_path / "r")


def test_a_run_without_its_shards_says_that_near_copies_are_not_looked_for(world: Path, tmp_path: Path) -> None:
    shutil.copytree(world / "net", tmp_path / "run")
    assert run_photos(load(tmp_path / "run")).signs is not None
    shard = tmp_path / "run" / "shards" / "maps-00000.npz"
    content = shard.read_bytes()
    shard.write_bytes(content[:-1] + b"x")
    with pytest.raises(ResultError, match="was changed after the run was written"):
        run_photos(load(tmp_path / "run"))
    shard.unlink()
    run = load(tmp_path / "run")
    known = run_photos(run)
    assert known.signs is None
    assert len(known.contents) == 2 * TEST
    photos: Any = SimpleNamespace(samples=(), tested=0, near=0, unread=0, left=0, estimated=0)
    assert [note for note in repairing._notes(photos, Proven(), run, known) if "not looked for" in note]


def test_without_objects_there_is_nothing_to_paste(world: Path, tmp_path: Path) -> None:
    with pytest.raises(DataError, match="can be changed against the background"):
        load(world / "net").repair(
            world / "net.onnx", world / "train", "none", report=tmp_path / "r", out=tmp_path / "o.onnx"
        )
    assert not list(tmp_path.iterdir())


def test_too_few_photos_leave_nothing_behind(world: Path, tmp_path: Path) -> None:
    """One photo of each class cannot be held out."""
    for name in OBJECTS:
        (tmp_path / "few" / name).mkdir(parents=True)
        shutil.copy(world / "train" / name / "0.png", tmp_path / "few" / name)
    with pytest.raises(DataError, match="too few to hold some of them out"):
        load(world / "net").repair(
            world / "net.onnx", tmp_path / "few", world / "train masks", report=tmp_path / "r", out=tmp_path / "o.onnx"
        )
    assert {each.name for each in tmp_path.iterdir()} == {"few"}


def test_cues_are_found_on_training_photos_off_their_objects_and_drawn_regions_at_their_place(
    world: Path, tmp_path: Path
) -> None:
    model = load_model(world / "net.onnx", AuditConfig(), ("ant", "bee"))
    explainer = Explainer(model, "hires_cam", lambda pixels: pixels, 0)
    dataset = open_data(world / "train", world / "train masks", None, AuditConfig(), SourceOptions())
    geometry = geometry_of(AuditConfig(), model.input_size)
    photos = read_photos(
        dataset,
        geometry,
        RunPhotos(frozenset()),
        None,
        seed=0,
        folder=tmp_path,
        backgrounds=False,
        advance=lambda _: None,
    )
    drawn = Region("bee", ((0.5, 0.0), (1.0, 0.0), (1.0, 0.5), (0.5, 0.5)))
    found = Proven(cues=(("ant", False),), regions=(drawn,))
    wanted = regions.wanted(found, photos, explainer, load(world / "net"), Progress(QUIET))
    (tied, on_object, of_cue), (other, _, of_region) = wanted.regions
    assert (tied, on_object, other) == (0, False, 1)
    assert set(of_cue) == set(np.flatnonzero(photos.labels == 0))
    assert all((photos.masks[place] * region).sum() == 0 < region.sum() for place, region in of_cue.items())
    assert set(of_region) == set(np.flatnonzero(photos.labels == 1))
    assert of_region[TRAIN][:16, 16:].all()
    assert of_region[TRAIN].sum() == 16 * 16
    kinds = {each.kind for each in composites.planned(photos, wanted, composites.folds_of(photos, 0), 2, 0)}
    assert kinds == {"original", "erased", "lent"}


class TestRefused:
    @staticmethod
    def repair(world: Path, tmp_path: Path, **changes: Any) -> Repair:
        options = {"out": tmp_path / "o.onnx", "report": tmp_path / "r", **changes}
        model = options.pop("model", world / "net.onnx")
        return load(world / "net").repair(model, world / "train", world / "train masks", **options)

    def test_no_file_is_overwritten(self, world: Path, tmp_path: Path) -> None:
        (tmp_path / "o.onnx").write_bytes(b"mine")
        with pytest.raises(ConfigError, match="nothing is overwritten"):
            self.repair(world, tmp_path)
        assert (tmp_path / "o.onnx").read_bytes() == b"mine"
        assert not (tmp_path / "r").exists()

    def test_another_model(self, world: Path, tmp_path: Path) -> None:
        with pytest.raises(ConfigError, match="is not the model of"):
            self.repair(world, tmp_path, model=world / "honest.onnx")
        assert not list(tmp_path.iterdir())

    def test_a_file_of_another_format(self, world: Path, tmp_path: Path) -> None:
        with pytest.raises(ConfigError, match=r"is written as \.onnx"):
            self.repair(world, tmp_path, out=tmp_path / "o.keras")

    def test_a_finished_repair(self, world: Path, made: Repair, tmp_path: Path) -> None:
        with pytest.raises(ConfigError, match="holds a finished repair"):
            self.repair(world, tmp_path, report=made.path)

    def test_a_folder_with_something_else(self, world: Path, tmp_path: Path) -> None:
        (tmp_path / "r").mkdir()
        (tmp_path / "r" / "mine.txt").write_text("mine")
        with pytest.raises(ConfigError, match="holds no repair"):
            self.repair(world, tmp_path)
        assert [each.name for each in (tmp_path / "r").iterdir()] == ["mine.txt"]


@pytest.mark.parametrize("stage", ["refit", "write_model", "prove"])
def test_an_interrupted_repair_goes_on_with_the_same_command(
    stage: str, made: Repair, world: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def interrupted(*_: Any, **__: Any) -> None:
        raise KeyboardInterrupt

    def run() -> Repair:
        return load(world / "net").repair(
            world / "net.onnx", world / "train", world / "train masks", report=tmp_path / "r", out=tmp_path / "o.onnx",
            export=tmp_path / "layer.npz",
        )  # fmt: skip

    with monkeypatch.context() as patch:
        patch.setattr(repairing, stage, interrupted)
        with pytest.raises(KeyboardInterrupt):
            run()
    assert (tmp_path / "o.onnx").exists() == (stage == "prove")
    again = run()
    assert again.verdict == made.verdict
    assert (tmp_path / "o.onnx").read_bytes() == (world / "repaired.onnx").read_bytes()
    layer = np.load(tmp_path / "layer.npz")
    linear = last_layer(load_model(tmp_path / "o.onnx", AuditConfig(), None)).linear
    assert np.allclose(layer["weights"], linear.weights)
    assert not [each for each in tmp_path.iterdir() if each.name.startswith(".")]


def test_a_received_run_imports_nothing_and_asks_no_server(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "marker_module.py").write_text("import pathlib\npathlib.Path('mark').write_text('ran')\n")
    monkeypatch.chdir(tmp_path)
    monkeypatch.syspath_prepend(str(tmp_path))
    (tmp_path / "net.onnx").write_bytes(network())
    for name, changes, said in (
        ("segmenter", {"config": {"segmenter": "marker_module:segment"}}, "cannot ask for"),
        ("method", {"config": {}, "method": "marker_module:maps"}, "cannot ask for"),
        ("address", {"config": {}, "data": "https://example.org/photos.zip"}, "no server is asked"),
    ):
        parts = made_parts()
        parts.info = info(**changes)
        run = load(write_parts(parts, tmp_path / name))
        with pytest.raises(ConfigError, match=said):
            run.repair(tmp_path / "net.onnx", tmp_path / "train", out=tmp_path / "o.onnx")
    assert not (tmp_path / "mark").exists()


def test_weights_of_a_library_are_audited_under_their_address(tmp_path: Path) -> None:
    last: Any = None  # not asked for a copy
    model = to_audit("torchvision:resnet50@old.pt", tmp_path / "new.pt", last, Linear(np.zeros((1, 1)), None))
    assert model == f"torchvision:resnet50@{tmp_path / 'new.pt'}"


def test_an_export_alone_writes_no_model(world: Path, tmp_path: Path) -> None:
    made = load(world / "net").repair(
        world / "net.onnx", world / "train", world / "train masks", report=tmp_path / "r", export=tmp_path / "l.npz"
    )
    assert made.model is None
    assert {each.name for each in tmp_path.iterdir()} == {"r", "l.npz"}
    assert not list((tmp_path / "r").glob("*.onnx"))


def test_the_command_prints_numbers_and_verdict(
    world: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    arguments = typed(world, "net", tmp_path)
    assert main(arguments) == 0
    said = capsys.readouterr().out
    assert "background gap" in said
    assert "Repaired: no finding of reliance above WATCH is left." in said
    assert str(tmp_path / "o.onnx") in said.replace("\n", "")


PREDICTS = """
def blue(images):
    import numpy as np

    return 1 / (1 + np.exp(-(images.mean(axis=(1, 2))[:, 2:] - 112) * np.array([[0.25, -0.25]])))
"""


def without_layer() -> bytes:
    """The network of the world of colours whose last weights are those of a convolution."""
    kernel, bias = weights()
    given = [files.array("kernel", kernel.T[:, :, None, None].copy()), files.array("bias", bias)]
    nodes = [
        files.node("Conv", ("x", "kernel", "bias"), ("maps",)),
        files.node("Relu", ("maps",), ("kept",)),
        files.node("GlobalAveragePool", ("kept",), ("pooled",)),
        files.node("Flatten", ("pooled",), ("logits",)),
        files.node("Softmax", ("logits",), ("y",)),
    ]
    shapes = {"given": files.value("x", ("n", 3, SIDE, SIDE)), "made": files.value("y", ("n", 2))}
    return files.model(files.graph(*nodes, **shapes, tensors=given))


@pytest.mark.parametrize(
    ("model", "said"),
    [
        ("blue_predicts:blue", "the last layer of a model of this kind is not known, so there is nothing to refit"),
        ("without.onnx", "the model has no last linear layer: "),
    ],
)
def test_a_model_without_a_last_linear_layer_gets_one_sentence_and_the_way_to_swapped_images(
    model: str, said: str, world: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: Any
) -> None:
    (tmp_path / "blue_predicts.py").write_text(PREDICTS)
    (tmp_path / "without.onnx").write_bytes(without_layer())
    monkeypatch.chdir(tmp_path)
    monkeypatch.syspath_prepend(str(tmp_path))
    run = bias_audit.audit(
        model, world / "test", masks=world / "test masks", out=tmp_path / "run", discovery=0, probes=0, leakage=0,
        batch_size=16, image_size=(SIDE, SIDE),
    )  # fmt: skip
    assert worst(run) > LEVELS.index("WATCH")
    capsys.readouterr()
    assert main(["repair", "run", "--model", model, "--train", str(world / "train"), "--export", "l.npz"]) == 2
    told = " ".join(capsys.readouterr().err.split())
    assert said in told
    assert "bias-audit review RUN --next DIR" in told
    assert "Traceback" not in told
    assert not (tmp_path / "run-repaired").exists()
    assert not (tmp_path / "l.npz").exists()
