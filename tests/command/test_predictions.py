"""An audit without the model: pictures that are written, predicted elsewhere and audited, and the same with a model."""

from __future__ import annotations

import csv
import json
import shutil
from collections.abc import Callable
from pathlib import Path

import cv2
import numpy as np
import pandas as pd
import pytest

import bias_audit
from bias_audit.run.result import load

SIZE, PHOTOS = 48, 12
COLOURS = {"a": ((60, 160, 60), (220, 40, 40)), "b": ((60, 60, 160), (220, 220, 220))}


@pytest.fixture(scope="module")
def world(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Discs on grounds, as `conftest.tiny`, without a model: images, masks."""
    folder = tmp_path_factory.mktemp("without a model")
    for label, (ground, thing) in COLOURS.items():
        for number in range(PHOTOS):
            rng = np.random.default_rng([ord(label), number])
            mask = np.zeros((SIZE, SIZE), np.uint8)
            cv2.circle(mask, tuple(map(int, rng.integers(14, SIZE - 14, 2))), int(rng.integers(7, 11)), 255, -1)
            pixels = np.where(mask[..., None] > 0, thing, ground) + rng.normal(0, 6, (SIZE, SIZE, 3))
            rgb = np.clip(pixels, 0, 255).astype(np.uint8)
            for kind, picture in (("images", rgb[..., ::-1]), ("masks", mask)):
                target = folder / kind / label / f"{label}_{number:02d}.png"
                target.parent.mkdir(parents=True, exist_ok=True)
                target.write_bytes(cv2.imencode(".png", picture)[1].tobytes())
    return folder


@pytest.fixture(scope="module")
def written(world: Path) -> Path:
    """The composites of the world."""
    from bias_audit.pipeline.composites import write_composites

    write_composites(world / "images", masks=world / "masks", image_size=(SIZE, SIZE), out=world / "composites")
    return world / "composites"


def by_ground(pixels: np.ndarray) -> list[float]:
    """A rule that looks at the ground alone: how much greener than blue the rim of the picture is."""
    rim = np.concatenate([pixels[:6].reshape(-1, 3), pixels[-6:].reshape(-1, 3)]).astype(float).mean(axis=0)
    p = 1 / (1 + np.exp(-(rim[1] - rim[2]) / 8))
    return [p, 1 - p]


def rows_of(folder: Path) -> list[dict[str, str]]:
    with open(folder / "manifest.csv", newline="") as file:
        return list(csv.DictReader(file))


def predicted(folder: Path, rule: Callable[[np.ndarray], list[float]] = by_ground) -> dict[str, list[float]]:
    """What a predictor of elsewhere says of each picture of a folder, by its id."""
    ids = [row["image_id"] for row in rows_of(folder)]
    return {each: rule(cv2.imread(str(folder / each))[..., ::-1]) for each in ids}


def table(file: Path, rows: dict[str, list[float]], names: tuple[str, ...] = ("a", "b")) -> Path:
    frame = pd.DataFrame([[name, *values] for name, values in rows.items()], columns=["image_id", *names])
    frame.to_parquet(file, index=False) if file.suffix == ".parquet" else frame.to_csv(file, index=False)
    return file


@pytest.fixture(scope="module")
def answers(written: Path) -> dict[str, list[float]]:
    return predicted(written)


@pytest.fixture(scope="module")
def predictions(world: Path, answers: dict[str, list[float]]) -> Path:
    return table(world / "all.parquet", answers)


@pytest.fixture(scope="module")
def run(world: Path, written: Path, predictions: Path) -> Path:
    out = world / "run"
    bias_audit.audit(
        None, world / "images", masks=world / "masks", predictions=predictions, composites=written, out=out
    )
    return out


def outcomes(folder: Path, code: str) -> dict[str, bias_audit.run.result.RuleOutcome]:  # type: ignore[name-defined]
    return {each.subject: each for each in load(folder).outcomes if each.code == code}


class TestComposites:
    def test_what_is_written(self, world, written):
        rows = rows_of(written)
        assert list(rows[0]) == ["image_id", "source", "set", "fill", "donor"]
        assert {row["set"] for row in rows} == {
            "original", "black", "same", "other", "next", "same_grown_holes", "other_grown_holes", "background_only",
            "foreground_only", "control_hole", "noisy_object", "noisy_background",
        }  # fmt: skip
        originals = [row for row in rows if row["set"] == "original"]
        assert [row["source"] for row in originals] == [f"{c}/{c}_{n:02d}.png" for c in "ab" for n in range(PHOTOS)]
        for row in originals:
            photo = cv2.imread(str(world / "images" / row["source"]))
            assert (cv2.imread(str(written / row["image_id"])) == photo).all()
        assert not cv2.imread(str(written / "black.png")).any()
        for row in rows:
            if row["set"] in ("same", "other", "next"):
                assert (row["donor"][0] == row["source"][0]) == (row["set"] == "same")
        same = [row for row in rows if row["set"] == "same" and row["source"] == "a/a_00.png"]
        assert [row["fill"] for row in same] == ["inpaint"] * 5 + ["blur_noise"] * 3
        there = {path.relative_to(written).as_posix() for path in written.rglob("*.png")}
        assert there == {row["image_id"] for row in rows}

    def test_an_interrupted_one_is_gone_on_with_and_ends_the_same(self, world, written, command, tmp_path):
        begun = tmp_path / "begun"
        shutil.copytree(written, begun)
        about = json.loads((begun / "composites.json").read_text())
        (begun / "composites.json").write_text(
            json.dumps({name: about[name] for name in ("version", "settings", "listing")})
        )
        (begun / "manifest.csv").unlink()
        lost = [path for path in sorted(begun.rglob("*.png")) if path.parent.name in ("other", "original")]
        for path in lost:
            path.unlink()
        kept = begun / "black.png"
        before = kept.stat().st_mtime_ns
        given = ("composites", world / "images", "--masks", world / "masks", "--image-size", "48x48", "--out", begun)
        code, out, err = command(*given)
        assert code == 0, err
        assert "Going on in" in err
        assert "pictures of 48x48" in err
        assert f"{len(rows_of(written)) - 2 * PHOTOS - 1} composites of 24 photos, and 24 photos as they are" in out
        assert kept.stat().st_mtime_ns == before
        for path in written.rglob("*"):
            assert path.is_dir() or (begun / path.relative_to(written)).read_bytes() == path.read_bytes()

    @pytest.mark.parametrize(
        ("more", "said"),
        [
            ((), "holds these composites already"),
            (("--seed", 3), "made otherwise: --seed 0 there, 3 here"),
            (("--image-size", "24x24"), "--image-size 48x48 there, 24x24 here"),
            (("--donors", 3), "--donors 5 there, 3 here"),
        ],
    )
    def test_a_folder_that_is_there_is_not_touched(self, world, written, command, more, said):
        before = {path: path.stat().st_mtime_ns for path in written.rglob("*")}
        given = ("composites", world / "images", "--masks", world / "masks", "--image-size", "48x48", "--out", written)
        code, _, err = command(*given, *more)
        assert (code, said in err) == (2, True), err
        assert before == {path: path.stat().st_mtime_ns for path in written.rglob("*")}

    def test_other_folders_are_refused(self, world, command, tmp_path):
        given = ("composites", world / "images", "--masks", world / "masks", "--image-size", "48x48", "--out")
        (tmp_path / "mine").mkdir()
        (tmp_path / "mine" / "notes.txt").write_text("mine")
        assert "is not empty and holds no composites" in command(*given, tmp_path / "mine")[2]
        assert "is a file" in command(*given, tmp_path / "mine" / "notes.txt")[2]
        assert command(*given, tmp_path / "none", "--interventions", 0)[0] == 2
        code, _, err = command(
            "composites", world / "images", "--masks", "none", "--image-size", "48x48", "--out", tmp_path / "bare"
        )
        assert (code, "no composite can be made of any of 24 photos; of most: no usable mask" in err) == (2, True)

    def test_nothing_is_written_through_a_link(self, world, command, tmp_path):
        out, elsewhere = tmp_path / "out", tmp_path / "elsewhere"
        elsewhere.mkdir()
        given = ("composites", world / "images", "--masks", world / "masks", "--image-size", "48x48", "--out", out)
        from bias_audit.data.manifest import begin, listing
        from bias_audit.data.sources import open_dataset
        from bias_audit.data.sources.attach import attach_masks
        from bias_audit.pipeline.results import made_with

        dataset = attach_masks(open_dataset(world / "images", None), world / "masks")
        begin(out, made_with(bias_audit.AuditConfig(), (48, 48), None), listing(dataset))
        (out / "original").symlink_to(elsewhere)
        code, _, err = command(*given)
        assert (code, "is a link" in err) == (2, True), err
        assert not list(elsewhere.iterdir())


class TestAudit:
    def test_the_classes_are_found_by_pictures_alone(self, run):
        found = outcomes(run, "BA201")
        assert {name: (each.level, each.measured, each.n) for name, each in found.items()} == {
            "a": ("SUSPICIOUS", 1.0, PHOTOS), "b": ("SUSPICIOUS", 1.0, PHOTOS),
        }  # fmt: skip
        result = load(run)
        assert result.info.head == "given predictions"
        assert result.images["shapley_background_share"].notna().all()
        assert result.classes["attract"].max() == 1
        assert any("No model was audited" in note for note in result.info.notes)
        page = (run / "report.html").read_text()
        assert "data:image/jpeg" in page
        assert "Predictions SHA-256" in page
        assert "Output head" not in page

    def test_what_needs_maps_or_a_model_is_not_applicable(self, run, command, tmp_path):
        reasons = {each.code: each.reason_code for each in load(run).outcomes if each.status == "not applicable"}
        for code in ("BA101", "BA102", "BA902", "BA904", "BA908"):
            assert reasons[code] == "no maps"
        assert {code: reasons[code] for code in ("BA301", "BA302", "BA906")} == dict.fromkeys(
            ("BA301", "BA302", "BA906"), "not measured"
        )
        gate = tmp_path / "gate.toml"
        gate.write_text('[rules]\nrequire = ["BA101", "BA908", "BA301"]\n')
        code, out, _ = command("gate", run, "--gate", gate)
        assert code == 1
        assert "BA101, no maps" in out
        document = json.loads((run / "gate.json").read_text())
        states = {row["check"]: row["state"] for row in document["rows"] if row["state"]}
        assert (states["BA908"], states["BA301"]) == ("no maps", "rule could not run")

    def test_commands_that_follow(self, run, world, command, tmp_path):
        assert command("report", run)[0] == 0
        assert command("compare", run, run, "--out", tmp_path / "c.html")[0] == 0
        code, _, err = command("rescore", run, "--masks", world / "masks", "--out", tmp_path / "again")
        assert code == 0, err
        before, after = load(run), load(tmp_path / "again")
        pd.testing.assert_frame_equal(before.images, after.images)
        assert [each.sentence for each in before.outcomes] == [each.sentence for each in after.outcomes]

    def test_without_composites_what_needs_no_passes_is_audited(self, world, answers, command, tmp_path):
        rows = {f"{c}/{c}_{n:02d}.png": answers[f"original/{i * PHOTOS + n:06d}.png"]
                for i, c in enumerate("ab") for n in range(PHOTOS)}  # fmt: skip
        file, out = table(tmp_path / "p.csv", rows), tmp_path / "run"
        given = ("audit", "--overwrite", "--pred", file, world / "images", "--masks", world / "masks", "--out", out)
        code, said, err = command(*given)
        assert code == 0, err
        assert "\n NOT JUDGED  " in said
        assert "no composites given: BA201" in " ".join(said.split())
        result = load(out)
        assert (result.classes["accuracy"] == 1).all()
        assert len(result.confusion) == 2
        assert outcomes(out, "BA401")[""].status in ("found", "passed")
        for each in outcomes(out, "BA201").values():
            assert (each.status, each.reason_code) == ("not applicable", "no composites given")
            assert "bias-audit composites" in each.sentence
        gate = tmp_path / "gate.toml"
        gate.write_text('[rules]\nrequire = ["BA201"]\n')
        code, said, _ = command("gate", out, "--gate", gate)
        assert (code, "no interventions" in said) == (1, True)

    def test_photos_and_composites_without_a_row_are_counted(self, world, written, answers, command, tmp_path):
        rows = dict(answers)
        del rows["original/000000.png"]
        gone = next(row for row in rows_of(written) if row["set"] == "other" and row["source"] == "a/a_01.png")
        del rows[gone["image_id"]]
        file, out = table(tmp_path / "p.parquet", rows), tmp_path / "run"
        given = ("audit", "--predictions", file, world / "images", "--masks", world / "masks", "--composites", written)
        code, _, err = command(*given, "--out", out)
        assert code == 0, err
        result = load(out)
        first, second = result.images.loc["a/a_00.png"], result.images.loc["a/a_01.png"]
        assert (first["status"], first["status_reason"]) == (
            "invalid prediction", "the table of predictions has no row for it",
        )  # fmt: skip
        assert (second["status"], second["intervention_status"]) == ("ok", "invalid prediction")
        assert result.classes.loc["a", "n_interventions"] == PHOTOS - 2
        assert outcomes(out, "BA910")[""].found
        assert command("gate", out)[0] == 1
        rows = json.loads((out / "gate.json").read_text())["rows"]
        assert any(row["state"] == "invalid predictions" and "has no row" in row["sentence"] for row in rows)

    def test_a_photo_and_its_picture_are_one(self, world, written, answers, command, tmp_path):
        file = table(tmp_path / "p.csv", {**answers, "a/a_00.png": [1.0, 0.0]})
        given = ("audit", "--predictions", file, world / "images", "--composites", written, "--masks", world / "masks")
        code, _, err = command(*given, "--out", tmp_path / "run")
        assert (code, "a second row for 'a/a_00.png'" in err) == (2, True), err
        assert not (tmp_path / "run").exists()

    @pytest.mark.parametrize(
        ("more", "said"),
        [
            (("--seed", 1), "--seed 0 there, 1 here"),
            (("--image-size", "32x32"), "--image-size 48x48 there, 32x32 here"),
            (("--resize", "crop"), "--resize stretch there, crop here"),
            (("--strangers", "."), "--strangers needs a model"),
            (("--method", "grad_cam", "--preprocess", "unit"), "--method, --preprocess are about a model"),
            (("--heatmaps", "nowhere"), "no heatmaps at"),
            (("--predictions", "nowhere.csv"), "cannot read the table 'nowhere.csv'"),
            (("--composites", "nowhere"), "no folder of composites at"),
        ],
    )
    def test_what_does_not_fit_is_one_sentence(self, world, written, predictions, command, tmp_path, more, said):
        given = ("audit", "--predictions", predictions, world / "images", "--masks", world / "masks")
        code, _, err = command(*given, "--composites", written, *more, "--out", tmp_path / "run")
        assert (code, said in err) == (2, True), err
        assert not (tmp_path / "run").exists()

    def test_a_model_or_predictions(self, world, written, predictions, command, tmp_path):
        code, _, err = command("audit", "model.keras", world / "images", "--predictions", predictions)
        assert code == 2
        assert "unrecognized arguments" in err
        code, _, err = command("audit", "model.keras", world / "images", "--composites", written)
        assert (code, "--composites goes with --predictions" in err) == (2, True), err
        with pytest.raises(bias_audit.ConfigError, match="contradict each other"):
            bias_audit.audit("model.keras", world / "images", predictions=predictions, out=tmp_path / "run")
        with pytest.raises(bias_audit.ConfigError, match="neither a model nor"):
            bias_audit.audit(None, world / "images", out=tmp_path / "run")

    def test_rows_of_pictures_that_nobody_knows(self, world, written, predictions, answers, command, tmp_path):
        code, _, err = command(
            "audit", "--predictions", predictions, world / "images", "--masks", world / "masks", "--out", tmp_path / "r"
        )
        assert (code, "row 2: 'original/000000.png' is no picture" in err, "--composites DIR" in err) == (2, True, True)
        photos = table(tmp_path / "p.csv", {each: p for each, p in answers.items() if each.startswith("original")})
        code, _, err = command(
            "audit", "--predictions", photos, world / "images", "--masks", world / "masks", "--composites", written,
            "--out", tmp_path / "r",
        )  # fmt: skip
        assert (code, "has no row of the pictures in" in err) == (2, True), err

    def test_photos_and_masks_must_be_those_of_the_composites(self, world, written, predictions, command, tmp_path):
        for kind in ("images", "masks"):
            mine = tmp_path / kind / "world"
            for each in ("images", "masks"):
                shutil.copytree(world / each, mine / each)
            shutil.copy(mine / kind / "a" / "a_05.png", mine / kind / "a" / "a_06.png")
            code, _, err = command(
                "audit", "--predictions", predictions, mine / "images", "--masks", mine / "masks",
                "--composites", written, "--out", mine / "run",
            )  # fmt: skip
            assert (code, "'a/a_06.png' is another file than when" in err) == (2, True), err
            assert not (mine / "run").exists()
        (mine / "images" / "a" / "a_06.png").unlink()
        code, _, err = command(
            "audit", "--predictions", predictions, mine / "images", "--composites", written, "--out", mine / "run"
        )
        assert (code, "were made of other photos" in err) == (2, True), err

    @pytest.mark.parametrize(
        ("change", "said"),
        [
            (lambda folder: (folder / "manifest.csv").unlink(), "cannot read"),
            (
                lambda folder: edited(folder, "a/a_00.png", "b/b_00.png", digest=False),
                "is not the file that was written",
            ),
            (lambda folder: edited(folder, "a/a_00.png", "c/c_00.png"), "there is no photo 'c/c_00.png'"),
            (lambda folder: edited(folder, ",other,", ",cue_lent,"), "is no kind of composite"),
            (lambda folder: edited(folder, "black.png", "../black.png"), "is no picture of the folder"),
            (lambda folder: (folder / "composites.json").write_text("{"), "composites.json"),
            (lambda folder: (folder / "composites.json").unlink(), "is no folder of composites"),
            (lambda folder: (folder / "composites.json").write_text("[]"), "is damaged"),
        ],
    )
    def test_a_damaged_folder(self, world, written, predictions, command, tmp_path, change, said):
        folder = tmp_path / "composites"
        folder.mkdir()
        for name in ("manifest.csv", "composites.json"):
            shutil.copy(written / name, folder / name)
        change(folder)
        code, _, err = command(
            "audit", "--predictions", predictions, world / "images", "--masks", world / "masks", "--composites", folder,
            "--out", tmp_path / "run",
        )  # fmt: skip
        assert (code, said in err) == (2, True), err

    def test_real_scenes_and_groups(self, world, command, tmp_path):
        scenes = tmp_path / "scenes"
        for label, (ground, _) in COLOURS.items():
            for number in range(6):
                rng = np.random.default_rng(number)
                target = scenes / label / f"{number}.png"
                target.parent.mkdir(parents=True, exist_ok=True)
                pixels = np.clip(np.array(ground) + rng.normal(0, 6, (SIZE, SIZE, 3)), 0, 255).astype(np.uint8)
                target.write_bytes(cv2.imencode(".png", pixels[..., ::-1])[1].tobytes())
        photos = [(f"{c}/{c}_{n:02d}.png", c) for c in "ab" for n in range(PHOTOS)]
        frame = pd.DataFrame(
            [{"image": name, "label": c, "site": f"{c}{i // 2}"} for i, (name, c) in enumerate(photos)]
        )
        frame.to_csv(world / "images" / "sites.csv", index=False)
        given = (world / "images" / "sites.csv", "--masks", world / "masks", "--group-by", "site")
        folder = tmp_path / "composites"
        more = ("--backgrounds", scenes, "--image-size", "48x48", "--out", folder, "--quiet")
        code, out, err = command("composites", *given, *more)
        assert (code, err) == (0, "")
        assert "composites of 24 photos" in out
        of_scenes = [row for row in rows_of(folder) if row["set"] in ("same", "other")]
        assert {row["fill"] for row in of_scenes} == {"none"}
        assert all((row["donor"][0] == row["source"][0]) == (row["set"] == "same") for row in of_scenes)
        file = table(tmp_path / "p.parquet", predicted(folder))
        asked = ("audit", "--predictions", file, *given, "--composites", folder, "--out", tmp_path / "run")
        code, _, err = command(*asked)
        assert (code, "--backgrounds given there, not given here" in err) == (2, True), err
        code, _, err = command(*asked, "--backgrounds", scenes)
        assert code == 0, err
        result = load(tmp_path / "run")
        assert result.classes["n_scenes"].tolist() == [6, 6]
        assert result.classes["n_units"].tolist() == [6, 6]
        code, _, err = command(
            "audit", "--predictions", file, *given[:-2], "--composites", folder, "--out", tmp_path / "r"
        )
        assert (code, "--group-by site there, not given here" in err) == (2, True), err

    def test_heatmaps_of_elsewhere(self, world, written, predictions, command, tmp_path):
        ids = [f"{c}/{c}_{n:02d}.png" for c in "ab" for n in range(PHOTOS)]
        on_ground = np.zeros((12, 12))
        on_ground[:1] = 1
        np.savez(tmp_path / "maps.npz", **dict.fromkeys(ids[1:], on_ground), other=on_ground)
        out = tmp_path / "run"
        code, _, err = command(
            "audit", "--predictions", predictions, world / "images", "--masks", world / "masks",
            "--composites", written, "--heatmaps", tmp_path / "maps.npz", "--out", out,
        )  # fmt: skip
        assert code == 0, err
        result = load(out)
        assert result.images["attention_status"].value_counts().to_dict() == {"ok": 23, "no maps": 1}
        assert (result.images["background_share"].dropna() > 0.9).all()
        assert result.info.grid == (12, 12)
        assert any("1 of 24 photos have none; 1 maps are of no photo" in note for note in result.info.notes)
        (tested,) = outcomes(out, "BA908").values()
        assert tested.reason_code == "not measured"

    def test_resume_asks_for_the_same_files(self, world, written, answers, command, tmp_path, monkeypatch):
        from bias_audit.checks.background import outside

        file, out = table(tmp_path / "p.csv", answers), tmp_path / "run"
        given = ("audit", "--predictions", file, world / "images", "--masks", world / "masks", "--composites", written)
        with monkeypatch.context() as patched:
            patched.setattr(outside.Predicted, "blank", lambda self: (_ for _ in ()).throw(RuntimeError))
            assert command(*given, "--out", out)[0] == 101
        table(file, {**answers, "black.png": [0.4, 0.6]})
        assert "the table of predictions changed since it was started" in command(*given, "--out", out, "--resume")[2]
        table(file, answers)
        code, _, err = command(*given, "--out", out, "--resume")
        assert code == 0, err


def edited(folder: Path, old: str, new: str, *, digest: bool = True) -> None:
    """Exchange a text of the manifest, with or without the digest of it."""
    import hashlib

    data = (folder / "manifest.csv").read_bytes().replace(old.encode(), new.encode())
    (folder / "manifest.csv").write_bytes(data)
    if digest:
        about = json.loads((folder / "composites.json").read_text())
        about["manifest"] = hashlib.sha256(data).hexdigest()
        (folder / "composites.json").write_text(json.dumps(about))


@pytest.mark.parametrize("name", ["follows_background", "follows_object"])
def test_the_same_as_with_the_model(tiny, tmp_path, name):
    """A Keras model that somebody else runs over the pictures: gaps, pulls and intervals of the direct audit."""
    import keras

    from bias_audit.checks.background.columns import OF_CLASSES
    from bias_audit.pipeline.composites import write_composites

    model = getattr(tiny, name)
    settings = {"masks": tiny.masks, "seed": 2, "donors": 3}
    quick = {"discovery": 0, "probes": 0, "leakage": 0, "thorough": True}
    direct = bias_audit.audit(model, tiny.images, out=tmp_path / "direct", batch_size=4, **settings, **quick)
    folder = tmp_path / "composites"
    write_composites(tiny.images, out=folder, image_size=(SIZE, SIZE), **settings)
    ids = [row["image_id"] for row in rows_of(folder)]
    pictures = np.stack([cv2.imread(str(folder / each))[..., ::-1] for each in ids]).astype(np.float32)
    said = keras.models.load_model(model).predict(pictures, verbose=0)
    file = table(tmp_path / "p.csv", dict(zip(ids, said.tolist(), strict=True)))
    given = bias_audit.audit(
        None, tiny.images, predictions=file, composites=folder, out=tmp_path / "given", **settings, **quick
    )
    one, two = made_of(direct), made_of(given)
    assert one.keys() == two.keys()
    assert sum(one[each] != two[each] for each in one) <= len(one) / 200
    # Cues are pieces that heatmaps point at. On neutral backdrops the first model sees neither colour and is decided by
    # rounding (grey is 127.5), of which its pulls take account.
    apart = ("log_odds", "shapley", "cue", "reason", "foreground_only", "cut_out", "neutral")
    columns = [each.name for each in OF_CLASSES if not any(part in each.name for part in apart)]
    assert len(columns) > 60
    pd.testing.assert_frame_equal(direct.classes[columns], given.classes[columns], rtol=0, atol=0.05)
    pd.testing.assert_frame_equal(direct.gap_matrix, given.gap_matrix, rtol=0, atol=0.05)
    exact = ["background_gap", "gap_low", "gap_high", "p_fdr", "same_background_accuracy", "other_background_accuracy"]
    pd.testing.assert_frame_equal(direct.classes[exact], given.classes[exact], rtol=1e-9)
    shown = {"CONFIRMED": "SUSPICIOUS", "HIDDEN": "SUSPICIOUS"}
    assert levels(given) == {each: shown.get(level, level) for each, level in levels(direct).items()}
    assert bool(given.found()) or name == "follows_object"


def made_of(result: bias_audit.AuditResult) -> dict[tuple[object, ...], int]:
    """What was predicted for each composite that needs no heatmap."""
    shards = [json.loads(file.read_text()) for file in sorted((result.path / "shards").glob("interventions-*.json"))]
    named = [
        ((each["photo"], each["arm"], each["fill"], each["donor"], place), each["predicted"])
        for shard in shards for place, each in enumerate(shard["composites"]) if not each["arm"].startswith("cue")
    ]  # fmt: skip
    return {(*name[:4],): value for name, value in named}


def levels(result: bias_audit.AuditResult) -> dict[str, str | None]:
    return {each.subject: each.level for each in result.outcomes if each.code == "BA201"}
