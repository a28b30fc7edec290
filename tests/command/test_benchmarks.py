"""The measuring scripts run; their figures are for people, not for tests."""

from __future__ import annotations

import argparse
import json
import runpy
import shutil
import sys
from pathlib import Path

import numpy as np
import pytest
from test_onnx_command import colours

import bias_audit

SCRIPTS = Path(__file__).parents[1] / "measurements"


@pytest.fixture
def run_script(monkeypatch, capsys):
    """Run a script as `python SCRIPT ARGUMENTS` does, but where TensorFlow is loaded already; what it printed."""

    def run(script: str, *arguments: object) -> str:
        monkeypatch.setattr(sys, "argv", [script, *map(str, arguments)])
        monkeypatch.syspath_prepend(SCRIPTS)
        for name in ("TF_NUM_INTRAOP_THREADS", "TF_NUM_INTEROP_THREADS"):  # a script may set them
            monkeypatch.setenv(name, "1")
        monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "")
        capsys.readouterr()
        runpy.run_path(str(SCRIPTS / script), run_name="__main__")
        return capsys.readouterr().out

    return run


@pytest.mark.slow
def test_the_difference_of_loaders_is_measured(tiny, run_script):
    printed = run_script("loader_difference.py", tiny.follows_object, tiny.images)
    assert printed.splitlines()[-1].startswith("load_img, flow_from_directory against --loader")


@pytest.mark.slow
def test_time_and_memory_of_the_pass_are_measured(tiny, run_script, tmp_path, capsys):
    """Memory is that of two processes, which need not load TensorFlow too."""
    given = (tiny.follows_object, tiny.images, "--masks", tiny.masks)
    printed = run_script("audit_pass.py", *given, "--rounds", "1", "--no-memory")
    assert printed.splitlines()[-1].startswith("median CPU: predict ")
    import audit_pass

    (tmp_path / "net.onnx").write_bytes(colours())
    known = {"model": tmp_path / "net.onnx", "data": tiny.images, "masks": tiny.masks}
    audit_pass.measure_memory(argparse.Namespace(**known, preprocess="none", class_map=None))
    assert capsys.readouterr().out.startswith("peak memory: ")


@pytest.mark.slow
def test_the_host_is_measured_with_a_model_that_costs_nothing(run_script, tmp_path):
    given = ["--door", "function", "--sizes", 6, 12, "--rounds", 1, "--work", tmp_path]
    printed = run_script("host.py", *given, "--parts", "pass", "operations").splitlines()
    table = {line[:22].strip(): line[22:].split() for line in printed}
    assert table["predict from files"][2:4] == ["1.00", "1.00"]
    assert "pass with masks" in table
    assert any(line.startswith("scores against masks") for line in printed)


def test_the_table_of_coverage_names_every_case_once(run_script):
    printed = run_script("interval_coverage.py", "--worlds", 2).splitlines()
    names = [line[:48].strip() for line in printed[1:-1]]
    assert len(set(names)) == len(names) > 50
    assert {"gap 0.1 of 0.8, independent", "flips 5% *", "effects normal"} <= set(names)
    assert printed[-1].startswith("mean ")


@pytest.fixture
def truth(monkeypatch):
    """The module `photo_truth` of the measuring scripts."""
    monkeypatch.syspath_prepend(SCRIPTS)
    import photo_truth

    return photo_truth


def test_sign_flip_against_hand_counts(truth):
    # 2 of 2^10 sign patterns reach the sum of ten equal gains: all plus and all minus.
    assert truth.sign_flip(np.full(10, 0.3)) == 2 / 1024
    # |+-3 +-1 +-1| >= 3 unless both small ones go against the large one: 6 of 8. Zeros say nothing.
    assert truth.sign_flip(np.array([3.0, 1.0, -1.0, 0.0, 0.0])) == 6 / 8
    assert truth.sign_flip(np.zeros(4)) == 1
    # Beyond EXACT photos it is sampled, and never 0.
    assert truth.sign_flip(np.full(25, 0.1)) == pytest.approx(1 / 10001)


@pytest.mark.slow
@pytest.mark.parametrize(("follows", "other"), [("background", 0), ("object", 1)])
def test_truth_of_models_known_by_construction(truth, tiny, follows, other):
    import keras

    model = keras.saving.load_model(getattr(tiny, f"follows_{follows}"))
    photos = truth.read_photos(tiny.images, tiny.masks, (48, 48))
    found = truth.photo_level_truth(photos, lambda pixels: model.predict(pixels, verbose=0).argmax(axis=1))
    for name in ("a", "b"):
        assert (found[name].n, found[name].same, found[name].other) == (12, 1, other)
        assert found[name].p == (2 / 4096 if other == 0 else 1)


def save_backbone(path):
    """A random net of a few layers, with the names of those of MobileNetV2 that the script builds on."""
    import keras

    layers = keras.layers
    inputs = keras.Input((48, 48, 3))
    values = layers.Conv2D(4, 3, strides=2, padding="same")(inputs)
    values = layers.BatchNormalization(name="block_3_project_BN")(values)
    for name in ("block_6_expand_relu", "block_10_expand_relu"):
        values = layers.Conv2D(8, 3, strides=2, padding="same", activation="relu", name=name)(values)
    outputs = layers.Dense(4, activation="softmax")(layers.GlobalAveragePooling2D()(values))
    keras.Model(inputs, outputs).save(path)


@pytest.mark.slow
def test_real_photos_runs_on_generated_ones(tiny, run_script, tmp_path, monkeypatch):
    audit = bias_audit.audit  # without what the script does not ask of it
    quick = {"discovery": 0, "probes": 0, "leakage": 0}
    monkeypatch.setattr(bias_audit, "audit", lambda *given, **more: audit(*given, **more, **quick))
    data = tmp_path / "data"
    folders = {
        **{f"husky-wolf/{{kind}}/{part}": ("husky", "wolf") for part in ("train", "test")},
        "cats-dogs/{kind}": ("cat", "dog"),
    }
    for folder, names in folders.items():
        for kind, source in (("images", tiny.images), ("masks", tiny.masks)):
            for name, label in zip(names, "ab", strict=True):
                shutil.copytree(source / label, data / folder.format(kind=kind) / name)
    (data / "models").mkdir()
    shutil.copy(tiny.follows_background, data / "models/husky_wolf_shallow.keras")
    save_backbone(data / "models/mobilenet_v2_imagenet.keras")
    printed = run_script(
        *("real_photos.py", data, "--out", tmp_path / "out", "--cases", "shallow", "swapped", "tag_block_10"),
        *("--composites", 2, "--epochs", 1, "--backgrounds", 2),
    )
    results = json.loads((tmp_path / "out/real_photos.json").read_text())
    husky = results["shallow"]["classes"]["husky"]
    assert husky["truth"]["gap"] == 1
    assert husky["truth"]["relies"]
    assert husky["agreement"] == "yes"
    assert set(results["tag_block_10"]["toggles"]) == {
        f"{name} {word} tag" for name in ("cat", "dog") for word in ("with", "without")
    }
    assert (tmp_path / "out/real_photos.md").read_text().strip() in printed


def test_the_table_of_peers_is_of_ratios_within_a_round(monkeypatch):
    """The machine was twice as slow in the second round: the ratios are the same, and what failed says why."""
    monkeypatch.syspath_prepend(SCRIPTS)
    import peers

    def rounds(wall):
        return [{"wall": wall * slow, "cpu": 1.0, "memory": 900.0, "version": "x 1"} for slow in (1, 2)]

    walls = {"predict": 2.0, "predict, in memory": 1.9, "bias-audit": 1.8, "textbook loop": 50.0, "xplique": 2.2}
    found = {name: rounds(wall) for name, wall in walls.items()}
    failed = {"tf-keras-vis": "does not install: no wheel", "tf-explain": "does not run: broken"}
    failed["pytorch-grad-cam"] = "does not install: too large"
    lines = {line.split(" | ")[0][2:]: line for line in peers.table(found, failed).splitlines()[2:]}
    assert lines["predict"].endswith("| 3.00 | 1.00 | 900 | 1.00 (1.00 to 1.00) |")
    assert lines["bias-audit"].endswith("0.90 (0.90 to 0.90) |")
    assert lines["xplique"].endswith("1.10 (1.10 to 1.10) |")
    assert "no wheel" in lines["tf-keras-vis"]
    assert "broken" in lines["tf-explain"]
    assert "too large" in lines["torch forward"]


@pytest.mark.heavy
def test_the_table_of_neighbours_counts_what_each_tool_said_of_networks_whose_reliance_was_measured(
    monkeypatch, tmp_path
):
    monkeypatch.syspath_prepend(SCRIPTS)
    import neighbours

    def network(name, planted, wolf, accused):
        folder = tmp_path / name
        still = {"plain": 1.0, "snow": 1.0, "won": 0.0}
        reliance = {"fox": still, "husky": still, "wolf": {"plain": 1.0 - wolf, "snow": 1.0, "won": 0.0}}
        said = {"accused": accused, "warns": bool(accused), "names": True, "version": "bnnr 1", "seconds": 2.0}
        (folder / "said" / "bnnr").mkdir(parents=True)
        (folder / "network.json").write_text(json.dumps({"planted": planted, "seed": 1, "reliance": reliance}))
        (folder / "said" / "bnnr" / "defaults.json").write_text(json.dumps(said))
        return folder

    networks = [
        network("relies", True, 0.9, ["fox", "wolf"]),
        network("relies too", True, 0.3, ["husky"]),
        network("ignored the snow", True, 0.1, ["wolf"]),  # does not count: nothing was there to be found
        network("clean", False, 0.04, []),
        network("clean too", False, 0.0, ["fox"]),
        network("relies a little", False, 0.1, ["wolf"]),  # does not count: the accusation may be right
    ]
    assert [each.split("|")[2].strip() for each in neighbours.truth_table(networks).splitlines()[2:]] == [
        "2 of 3",
        "2 of 3",
    ]
    (row,) = (line for line in neighbours.table(networks).splitlines() if line.startswith("| bnnr"))
    cells = [cell.strip().split(" (")[0] for cell in row.strip("|").split("|")]
    assert cells == ["bnnr 1", "defaults", "network, photos, labels", "1 of 2", "2 of 2", "1 of 2", "2.0"]
    assert "bnnr: defaults" in neighbours.table(networks)


@pytest.mark.heavy
def test_the_table_of_passes_is_of_ratios_within_a_round(monkeypatch):
    """The machine was twice as slow in the second round: the ratios to the plain loop are the same."""
    monkeypatch.syspath_prepend(SCRIPTS)
    import network_pass

    found = {"plain loop": [(2.0, 4.0), (4.0, 8.0)], "captum": [(3.0, 5.0), (6.0, 10.0)]}
    plain, captum = network_pass.table(found).splitlines()[2:]
    assert plain == "| plain loop | 3.00 | 6.00 | 1.000 (1.000 to 1.000) | 1.000 (1.000 to 1.000) |"
    assert captum == "| captum | 4.50 | 7.50 | 1.500 (1.500 to 1.500) | 1.250 (1.250 to 1.250) |"


@pytest.mark.heavy
def test_the_plain_loop_reads_every_file_once_in_order(monkeypatch, tmp_path):
    monkeypatch.syspath_prepend(SCRIPTS)
    import cv2
    import network_pass

    files = tuple(tmp_path / f"{i}.png" for i in range(11))
    for i, file in enumerate(files):
        cv2.imwrite(str(file), np.full((30, 40, 3), (10 * i, 0, 255), np.uint8))  # blue, green, red
    batches = list(network_pass.read_ahead(files, 4))
    assert [len(batch) for batch in batches] == [4, 4, 3]
    pixels = np.concatenate(batches)
    assert pixels.shape == (11, 224, 224, 3)
    assert (pixels[:, 0, 0] == [(255, 0, 10 * i) for i in range(11)]).all()
