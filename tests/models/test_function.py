"""Models that only predict: how a function is found and called, what its outputs are, and the audit of one."""

from __future__ import annotations

import contextlib
import functools
import re
import sys
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest
from scipy import special

import bias_audit
from bias_audit.checks.reasons import NO_MAPS
from bias_audit.config import AuditConfig
from bias_audit.errors import BiasAuditError, ConfigError, ModelError
from bias_audit.gate.running import gate_run
from bias_audit.heatmaps.methods import Explainer
from bias_audit.models.base import NO_CLASS, Activations, Explanation, Model, Predictions, Predictor
from bias_audit.models.doors import check_model, folder_name, is_function, load_model
from bias_audit.models.function import PredictFunction

SIDE, PHOTOS = 48, 12
NAMES = ("green", "blue")
SMALL = AuditConfig(image_size=(6, 6), batch_size=4)


def by_ground(images: np.ndarray) -> np.ndarray:
    """Probability of green by the corners of the picture, where the ground is."""
    greener = (images[:, :8, :8, 1] - images[:, :8, :8, 2]).mean(axis=(1, 2))
    p = special.expit(greener / 10)
    return np.stack([p, 1 - p], axis=1)


def by_object(images: np.ndarray) -> np.ndarray:
    """Probability of green by the middle of the picture, where a red or a white disc lies."""
    redder = (images[:, 20:28, 20:28, 0] - images[:, 20:28, 20:28, 1]).mean(axis=(1, 2))
    p = special.expit((redder - 90) / 10)
    return np.stack([p, 1 - p], axis=1)


@pytest.fixture(scope="module")
def photos(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Red discs on green and white discs on blue, with their masks."""
    folder = tmp_path_factory.mktemp("discs")
    for name, ground, disc in (("green", (60, 160, 60), (40, 40, 220)), ("blue", (160, 60, 60), (220, 220, 220))):
        for number in range(PHOTOS):
            rng = np.random.default_rng((number, len(name)))
            picture = np.full((SIDE, SIDE, 3), ground, np.float32) + rng.normal(0, 8, (SIDE, SIDE, 3))
            mask = cv2.circle(np.zeros((SIDE, SIDE), np.uint8), (24, 24), 10, 255, -1)
            picture[mask > 0] = np.array(disc) + rng.normal(0, 8, (int((mask > 0).sum()), 3))
            for kind, content in (("images", picture.clip(0, 255).astype(np.uint8)), ("masks", mask)):
                (folder / kind / name).mkdir(parents=True, exist_ok=True)
                file = folder / kind / name / f"{number:02d}.png"
                file.write_bytes(cv2.imencode(".png", content)[1].tobytes())
    return folder


def opened(function: Any, config: AuditConfig = SMALL, names: tuple[str, ...] | None = NAMES) -> Model:
    return load_model(function, config, names)


def gives(*row: float) -> Any:
    """A function that answers every image with the same row."""

    def answer(images: np.ndarray) -> np.ndarray:
        return np.tile(np.array(row, np.float64), (len(images), 1))

    return answer


def makes(*row: float) -> Any:
    """A function without arguments that makes such a model."""
    return lambda: gives(*row)


@pytest.mark.parametrize(
    ("function", "asked", "kind", "probabilities"),
    [
        (gives(0.3, 0.7), None, "softmax", (0.3, 0.7)),
        (makes(0.3, 0.7), None, "softmax", (0.3, 0.7)),
        (makes(0.8), None, "sigmoid", (0.2, 0.8)),
        (makes(2.0), None, "logits", tuple(special.softmax([0, 2.0]))),
        (makes(1.0, 3.0), None, "logits", tuple(special.softmax([1.0, 3.0]))),
        (makes(0.9, 0.8), "sigmoid", "sigmoid", (0.9, 0.8)),
        (makes(0.9, 0.8), "logits", "logits", tuple(special.softmax([0.9, 0.8]))),
        (gives(-1.0, 1.0), "logits", "logits", tuple(special.softmax([-1.0, 1.0]))),
        (makes(0.3, 0.7), "logits", "logits", tuple(special.softmax([0.3, 0.7]))),
    ],
)
def test_what_the_outputs_are(function, asked, kind, probabilities):
    model = opened(function, AuditConfig(image_size=(6, 6), batch_size=4, head=asked))
    assert model.head == kind
    said = model.predict(images(7))
    np.testing.assert_allclose(said.probabilities, np.tile(probabilities, (7, 1)), atol=1e-6)
    odds = np.log(probabilities) - np.log1p(-np.array(probabilities))
    np.testing.assert_allclose(said.log_odds, np.tile(odds, (7, 1)), atol=1e-5)
    assert any("are taken as" in note for note in model.notes)


def images(count: int) -> np.ndarray:
    return np.random.default_rng(count).uniform(0, 255, (count, 6, 6, 3)).astype(np.float32)


@pytest.mark.parametrize(
    ("function", "config", "said", "hint"),
    [
        (gives(0.3, 0.6), {}, r"gave \[0.3, 0.6\] for the first image.*sum to 1", "--head"),
        (gives(-1.0, 2.0), {}, "probabilities that sum to 1", "--head"),
        (gives(0.7), {}, r"gave \[0.7\]", "--head"),
        (makes(0.9, 0.8), {}, "several outputs in .0, 1. that do not sum to 1", "--head sigmoid"),
        (gives(0.3, 0.6), {"head": "softmax"}, "softmax gives two or more that sum to 1", ""),
        (gives(0.3, 1.6), {"head": "sigmoid"}, r"sigmoid gives numbers in \[0, 1\]", ""),
        (gives(0.2, 0.3, 0.5), {}, "3 outputs, the data have 2 classes", "--class-map"),
        (gives(np.nan, 1.0), {}, "NaN or infinite", ""),
        (lambda images: images, {}, r"returned shape \(2, 6, 6, 3\) for 2 images", "numbers of the shape"),
        (lambda images: [0.5, 0.5], {}, r"returned shape \(2,\)", "numbers of the shape"),
        (lambda images: np.full((1, 2), 0.5), {}, r"returned shape \(1, 2\) for 2 images", ""),
        (lambda images: [["cat", "dog"]] * len(images), {}, "returned list of no numbers", ""),
        (lambda images: None, {}, "returned NoneType of no numbers", ""),
        (lambda images: np.zeros((len(images), 0)), {}, r"returned shape \(2, 0\)", ""),
        (lambda one, two: one, {}, "takes 2 arguments", "takes one|one with a single argument"),
        (lambda: lambda: 1, {}, "takes no images", ""),
        (lambda: 3, {}, "type int is neither a Keras model nor a function", "Give a function"),
        ("no function", {}, "no model at 'no function'", "module:function"),
        ("missing_module:predict", {}, "cannot import the model 'missing_module:predict'", "importable"),
    ],
)
def test_what_is_no_model_is_one_sentence(function, config, said, hint):
    with pytest.raises(BiasAuditError, match=said) as caught:
        opened(function, AuditConfig(image_size=(6, 6), batch_size=4, **config))
    assert re.search(hint, caught.value.hint)


def test_what_the_code_of_the_user_raises_is_one_sentence():
    def breaks(images: np.ndarray) -> np.ndarray:
        raise ValueError("no\nGPU")

    def leaves() -> None:
        raise SystemExit(0)

    with pytest.raises(ConfigError, match="breaks' failed: ValueError: no GPU"):
        opened(breaks)
    with pytest.raises(ConfigError, match="leaves' failed to make a model: SystemExit"):
        opened(leaves)


def test_every_row_is_checked_not_the_first_alone():
    def later(images: np.ndarray, seen: list[int] = [0]) -> np.ndarray:  # noqa: B006
        seen[0] += 1
        return gives(0.5, 0.5 if seen[0] < 3 else 0.9)(images)

    model = opened(later)
    model.predict(images(4))
    with pytest.raises(ModelError, match=r"gave \[0.5, 0.9\] for an image; its first outputs were taken as") as caught:
        model.predict(images(4))
    assert "--head" in caught.value.hint


def test_nan_is_no_prediction_and_no_error():
    def sometimes(images: np.ndarray) -> np.ndarray:
        answer = by_ground(np.zeros((len(images), 8, 8, 3)))
        answer[images[:, 0, 0, 0] == 1] = np.nan
        return answer

    asked = images(5)
    asked[3, 0, 0, 0] = 1
    said = opened(sometimes).predict(asked)
    assert said.valid.tolist() == [True, True, True, False, True]
    assert said.predicted[3] == NO_CLASS


def test_images_come_in_batches_and_may_be_changed():
    sizes: list[int] = []

    def halves(images: np.ndarray) -> np.ndarray:
        sizes.append(len(images))
        images /= 255
        return np.stack([images.mean(axis=(1, 2, 3)), 1 - images.mean(axis=(1, 2, 3))], axis=1)

    asked = images(6)
    before = asked.copy()
    model = opened(halves)
    sizes.clear()
    said = model.predict(asked)
    assert sizes == [4, 2]
    np.testing.assert_array_equal(asked, before)
    np.testing.assert_allclose(said.probabilities[:, 0], before.mean(axis=(1, 2, 3)) / 255, rtol=1e-5)
    assert len(model.predict(asked[:0]).probabilities) == 0


def test_the_size_of_the_input():
    def sized(images: np.ndarray) -> np.ndarray:
        return gives(0.5, 0.5)(images)

    assert opened(sized, AuditConfig()).input_size == (224, 224, 3)
    assert any("224x224" in note for note in opened(sized, AuditConfig()).notes)
    sized.input_size = (10, 20, 3)  # type: ignore[attr-defined]
    assert opened(sized, AuditConfig()).input_size == (10, 20, 3)
    assert not any("pixels" in note for note in opened(sized, AuditConfig()).notes)
    assert opened(sized, AuditConfig(image_size=(7, 8))).input_size == (7, 8, 3)
    sized.input_size = (10, 20, 1)  # type: ignore[attr-defined]
    assert opened(sized, AuditConfig()).input_size == (10, 20, 1)
    for wrong in ((10, 20, 4), (10,), "large", (0, 5, 3)):
        sized.input_size = wrong  # type: ignore[attr-defined]
        with pytest.raises(BiasAuditError, match="input_size"):
            opened(sized, AuditConfig())


class Bare:
    """As little as an audit needs."""

    input_size, batch_size, sha256, notes, inside = (6, 6, 3), 4, "0" * 64, ("told",), ()
    head, outputs = "softmax", 2

    def __init__(self, **changed: Any) -> None:
        vars(self).update(changed)

    def predict(self, images: np.ndarray) -> Predictions:
        p = np.tile(np.array([0.25, 0.75], np.float32), (len(images), 1))
        return Predictions(p, np.log(p / (1 - p)), np.zeros(len(p), np.float32))


def said(images: np.ndarray, probabilities: Any, outdone: Any = None) -> Predictions:
    """Predictions as a careless object makes them."""
    return Predictions(probabilities, np.zeros((len(images), 2)), np.zeros(len(images)), outdone)


class Whole(Bare):
    """An object that shows a layer of its own, too; `wrong` is what one of its methods does instead."""

    layer, grid, layers, differentiable = "mine", (2, 3), (("mine", (2, 3)), ("other", (1, 1))), True

    def explain(self, images: np.ndarray, labels: np.ndarray, weigh: Any) -> Explanation:
        values = np.ones((len(images), 2, 3, 4))
        maps = weigh([values], [values], np)
        return Explanation(self.predict(images), maps, maps)

    def activations(self, images: np.ndarray, labels: np.ndarray) -> Activations:
        values = np.ones((len(images), 2, 3, 4))
        return Activations(self.predict(images), values, values, values)

    def input_gradients(self, images: np.ndarray, targets: np.ndarray) -> np.ndarray:
        return images * 2

    def at_layer(self, path: str) -> Whole:
        return Whole(layer=path)

    @contextlib.contextmanager
    def randomised(self, seed: int) -> Any:
        self.batch_size = seed
        yield
        self.batch_size = 4


def test_an_object_with_layers_is_a_model_that_can_be_explained():
    given = Whole()
    assert isinstance(given, Model)
    model, asked, labels = opened(given), images(2), np.zeros(2, np.intp)
    assert (model.layer, model.grid, model.layers, model.differentiable) == ("mine", (2, 3), Whole.layers, True)
    np.testing.assert_array_equal(model.explain(asked, labels, lambda a, g, xp: a[0].sum(axis=3)).maps, 4)
    assert model.activations(asked, labels).values.dtype == np.float32
    np.testing.assert_array_equal(model.input_gradients(asked, labels), asked * 2)
    assert model.at_layer("other").layer == "other"
    with model.randomised(7):
        assert given.batch_size == 7
    assert given.batch_size == 4


def breaks(*given: Any) -> Any:
    raise ValueError("no GPU")


@pytest.mark.parametrize(
    ("changed", "call", "told"),
    [
        ({"predict": breaks}, lambda m: m.predict(images(2)), "failed to predict: ValueError: no GPU"),
        ({"grid": (0, 1)}, lambda m: m, "grid of 0x1"),
        ({"grid": 3}, lambda m: m, "lacks what an audit needs"),
        ({"explain": breaks}, lambda m: m.explain(images(2), [0, 0], len), "explain of the model in memory failed"),
        ({"explain": lambda i, *_: Explanation(Bare().predict(i), i, i)}, lambda m: m.explain(images(2), [0, 0], len),
         r"heatmaps of the shapes \[\(2, 6, 6, 3\)"),
        ({"activations": breaks}, lambda m: m.activations(images(2), [0, 0]), "activations of the model in memory"),
        ({"input_gradients": lambda i, t: i[:1]}, lambda m: m.input_gradients(images(2), [0, 0]), "gradients of the"),
        ({"at_layer": breaks}, lambda m: m.at_layer("other"), "at_layer of the model in memory failed"),
        ({"randomised": breaks}, lambda m: m.randomised(0).__enter__(), "randomised of the model in memory failed"),
    ],
)  # fmt: skip
def test_what_an_object_with_layers_raises_is_one_sentence(changed, call, told):
    with pytest.raises(BiasAuditError, match=told):
        call(opened(Whole(**changed)))


def test_an_object_whose_attributes_break_is_one_sentence():
    class Broken(Bare):
        head = property(breaks)

    with pytest.raises(ConfigError, match="lacks what an audit needs: ValueError: no GPU"):
        opened(Broken())


def test_an_object_that_predicts_is_a_model():
    assert isinstance(Bare(), Predictor)
    assert not isinstance(Bare(), Model)
    for given in (Bare(), Bare):  # a class is a function without arguments that makes one
        model = opened(given)
        assert isinstance(model, Model)
        assert not model.differentiable
        assert (model.input_size, model.head, model.notes) == ((6, 6, 3), "softmax", ("told",))
        assert model.predict(images(9)).predicted.tolist() == [1] * 9
    whole = opened(Bare())
    assert opened(whole) is whole, "what satisfies the whole protocol is taken as it is"
    with pytest.raises(ModelError, match="shows no layers"):
        whole.at_layer("conv")


def test_a_layer_is_shown_or_refused():
    """`--layer` names one: it is not silently dropped."""
    asked = AuditConfig(image_size=(6, 6), batch_size=4, layer="other")
    for given in (by_ground, Bare()):
        with pytest.raises(ModelError, match="only predicts: it shows no layers, and 'other' was asked for"):
            opened(given, asked)
    assert opened(Whole(), asked).layer == "other"


@pytest.mark.parametrize(
    ("changed", "said"),
    [
        ({"input_size": (6, 6)}, "lacks what an audit needs"),
        ({"input_size": (6, 6, 4)}, "4 channels"),
        ({"batch_size": 0}, "0 at once"),
        ({"predict": lambda images: 1}, "failed to predict"),
        ({"predict": lambda images: said(images, [["a", "b"]] * 2)}, "failed to predict: ValueError"),
        ({"predict": lambda images: said(images, [[0.0, 7.0]] * 2)}, "gives 7 as a probability"),
        ({"predict": lambda images: said(images, [[0.5, 0.5]] * 2, [True])}, r"and outdone of \(1,\)"),
    ],
)
def test_an_object_that_is_no_model_is_one_sentence(changed, said):
    with pytest.raises(BiasAuditError, match=said):
        opened(Bare(**changed)).predict(images(2))
    with pytest.raises(ModelError, match=r"expected \[\(2, 3\)"):
        opened(Bare(), names=("a", "b", "c")).predict(images(2))


def test_module_and_function_on_the_command_line(tmp_path, monkeypatch):
    (tmp_path / "predictors.py").write_text("def predict(images):\n    return [[.4, .6]] * len(images)\n")
    (tmp_path / "odd:name.keras").write_text("")
    monkeypatch.syspath_prepend(tmp_path)
    monkeypatch.chdir(tmp_path)
    model = opened("predictors:predict")
    assert model.predict(images(2)).predicted.tolist() == [1, 1]
    assert folder_name("predictors:predict") == "predictors-predict"
    for name in ("odd:name.keras", "a/b:predict", "C:\\models\\net.keras", "predictors", ":f", "m:", "m:f g"):
        assert not is_function(name)
    check_model("predictors:predict")
    with pytest.raises(ConfigError, match="no attribute 'missing'"):
        opened("predictors:missing")
    digest = model.sha256
    (tmp_path / "predictors.py").write_text("def predict(images):\n    return [[.6, .4]] * len(images)\n")
    assert opened("predictors:predict").sha256 != digest, "another file is another model"


def audited(function: Any, photos: Path, out: Path, **options: Any) -> Any:
    given = {"masks": photos / "masks", "class_map": {"green": [0], "blue": [1]}, "image_size": (48, 48)}
    return bias_audit.audit(function, photos / "images", out=out, **given, **options)


def test_a_function_that_follows_the_background_is_suspicious(photos, tmp_path):
    result = audited(by_ground, photos, tmp_path / "run")
    found = {o.subject: o.level for o in result.outcomes if o.code == "BA201" and o.found}
    assert found == {"green": "SUSPICIOUS", "blue": "SUSPICIOUS"}
    for code in ("BA101", "BA302", "BA902", "BA904", "BA908"):
        rows = [outcome for outcome in result.outcomes if outcome.code == code]
        assert rows
        assert all(row.status == "not applicable" for row in rows), code
    assert {o.reason_code for o in result.outcomes if o.code == "BA101"} == {NO_MAPS}
    assert result.info.method == "none"
    page = (result.path / "report.html").read_text(encoding="utf-8")
    assert ("Where the model looked" in page, "<h4>The photos</h4>" in page) == (False, True)
    assert not gate_run(result).passed


def test_a_function_that_follows_the_object_is_not_accused(photos, tmp_path):
    result = audited(by_object, photos, tmp_path / "run")
    rows = [outcome for outcome in result.outcomes if outcome.code == "BA201"]
    assert [row.status for row in rows] == ["passed", "passed"]
    assert all(row.n == PHOTOS and row.high is not None for row in rows)


def test_heatmaps_are_made_where_they_are_asked_for(photos, tmp_path):
    """Occlusion on a model that only predicts: attention is scored, and recurring cues are looked for."""
    result = audited(by_ground, photos, tmp_path / "run", method="occlusion")
    assert (result.info.method, result.info.grid) == ("occlusion", (14, 14))
    assert result.classes.loc["green", "background_excess"] > 0.5
    assert "there are no heatmaps" not in next(o.sentence for o in result.outcomes if o.code == "BA302")
    assert (result.images["attention_status"] == "ok").all()


def test_without_heatmaps_nothing_is_explained(photos):
    with pytest.raises(ConfigError, match="no heatmap to explain a picture by") as caught:
        bias_audit.explain(by_ground, photos / "images" / "green" / "00.png", image_size=(48, 48))
    assert "--method occlusion" in caught.value.hint
    facts = bias_audit.inspect(by_ground, image_size=(48, 48))
    assert (facts["head"], facts["method"], facts["layers"], facts["differentiable"]) == ("softmax", "none", [], False)
    with pytest.raises(ConfigError, match="looks inside the network"):
        Explainer(opened(by_ground), "grad_cam", functools.partial(np.asarray, dtype=np.float32))
    assert isinstance(opened(gives(0.5, 0.5)), PredictFunction)


@pytest.mark.parametrize("name", ["decorated", "part", "kept", "elsewhere", "bound"])
def test_a_change_of_the_named_module_is_another_model(name, tmp_path, monkeypatch):
    """Whatever the name leads to: a decorator and a library have files of their own, which do not change."""
    text = (
        "import functools\nfrom lent_by_others import wrap, predict as elsewhere, Lent\nrow = [{}, {}]\n"
        "def plain(images, row=row): return [row] * len(images)\n"
        "decorated = wrap(plain)\npart = functools.partial(plain, row=row)\nbound = Lent(row).predict\n"
        "@functools.lru_cache\ndef kept(): return plain\n"
    )
    (tmp_path / "lent_by_others.py").write_text(
        "import functools\n"
        "def wrap(f):\n    @functools.wraps(f)\n    def g(images): return f(images)\n    return g\n"
        "def predict(images): return [[.5, .5]] * len(images)\n"
        "class Lent:\n    def __init__(self, row): self.row = row\n"
        "    def predict(self, images): return [self.row] * len(images)\n"
    )
    monkeypatch.syspath_prepend(tmp_path)
    monkeypatch.setattr("sys.dont_write_bytecode", True)
    digests = []
    for first, second in ((0.4, 0.6), (0.6, 0.4), (0.4, 0.6)):
        (tmp_path / "named_by_user.py").write_text(text.format(first, second))
        monkeypatch.delitem(sys.modules, "named_by_user", raising=False)
        digests.append(opened(f"named_by_user:{name}").sha256)
    assert digests[0] == digests[2] != digests[1]
