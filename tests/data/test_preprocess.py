"""Pixel scalings against the functions of `keras.applications`, and functions of the user's own."""

from __future__ import annotations

import sys
from pathlib import Path

import numpy as np
import pytest

from bias_audit.config import PREPROCESSES
from bias_audit.data.preprocess import PREPROCESS, candidates, find_preprocess
from bias_audit.errors import ConfigError


@pytest.fixture
def pixels() -> np.ndarray:
    return np.random.default_rng(2).uniform(0, 255, (3, 5, 4, 3)).astype(np.float32)


@pytest.mark.heavy
@pytest.mark.parametrize(("ours", "keras_mode"), [("signed", "tf"), ("caffe", "caffe"), ("imagenet", "torch")])
def test_equal_to_keras_applications(pixels: np.ndarray, ours: str, keras_mode: str) -> None:
    from keras.src.applications.imagenet_utils import preprocess_input

    expected = preprocess_input(pixels.copy(), mode=keras_mode)
    np.testing.assert_allclose(find_preprocess(ours, 3)(pixels), expected, rtol=1e-5, atol=1e-5)


def test_by_hand() -> None:
    grey = np.array([0, 51, 255], np.float32).reshape(1, 1, 3, 1)
    assert find_preprocess("none", 1)(grey).ravel().tolist() == [0, 51, 255]
    assert find_preprocess("unit", 1)(grey).ravel() == pytest.approx([0, 0.2, 1])
    assert find_preprocess("signed", 1)(grey).ravel() == pytest.approx([-1, -0.6, 1])


@pytest.mark.parametrize("name", PREPROCESS)
def test_every_entry_keeps_shape_and_type_and_its_input(pixels: np.ndarray, name: str) -> None:
    before = pixels.copy()
    values = find_preprocess(name, 3)(pixels)
    assert values.shape == pixels.shape
    assert values.dtype == np.float32
    assert np.array_equal(pixels, before)


@pytest.mark.parametrize("name", ["imagenet", "caffe", "mean=0.5,0.4,0.3/std=0.2,0.3,0.1", "mean=0.5/std=0.25"])
def test_rows_are_scaled_as_single_pixels_are(name: str) -> None:
    # A row of pixels is one multiplication; each pixel for itself must get the numbers of its own channel.
    pixels = np.random.default_rng(3).uniform(0, 255, (2, 3, 5, 3)).astype(np.float32)
    scaled = find_preprocess(name, 3)
    alone = np.array([[[scaled(p.reshape(1, 1, 1, 3)).ravel() for p in row] for row in each] for each in pixels])
    np.testing.assert_array_equal(scaled(pixels), alone)
    np.testing.assert_array_equal(scaled(pixels[:, :, ::-1]), alone[:, :, ::-1])  # not contiguous
    assert scaled(pixels[:0]).shape == (0, 3, 5, 3)


def test_the_configuration_names_the_same() -> None:
    assert tuple(PREPROCESS) == PREPROCESSES


def test_colours_in_the_order_of_opencv() -> None:
    red = np.array([255, 51, 0], np.float32).reshape(1, 1, 1, 3)
    assert find_preprocess("bgr", 3)(red).ravel().tolist() == [0, 51, 255]
    assert find_preprocess("unit_bgr", 3)(red).ravel() == pytest.approx([0, 0.2, 1])
    assert find_preprocess("signed_bgr", 3)(red).ravel() == pytest.approx([-1, -0.6, 1])


def test_candidates() -> None:
    assert candidates(3) == tuple(PREPROCESS)
    assert candidates(1) == ("none", "unit", "signed")


def test_only_an_audit_chooses() -> None:
    with pytest.raises(ConfigError, match="only an audit can choose"):
        find_preprocess("auto", 3)


@pytest.mark.parametrize("name", ["caffe", "imagenet", "bgr"])
def test_three_channels_needed(name: str) -> None:
    with pytest.raises(ConfigError, match=f"{name}.*three channels.*takes 1"):
        find_preprocess(name, 1)


class TestOwnFunction:
    @pytest.fixture(autouse=True)
    def module(self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        (tmp_path / "own_scaling.py").write_text(
            "def half(x):\n    x *= 0.5\n    return x\n"
            "def wide(x):\n    return x.astype('float64') / 3\n"
            "def shrinks(x):\n    return x[:, ::2]\n"
            "def fails(x):\n    raise RuntimeError('no such file')\n"
            "number = 3\n"
        )
        (tmp_path / "breaks_on_import.py").write_text("raise OSError('licence server')\n")
        monkeypatch.syspath_prepend(tmp_path)
        yield
        sys.modules.pop("own_scaling", None)

    def test_it_is_called_and_may_work_in_place(self, pixels: np.ndarray) -> None:
        before = pixels.copy()
        np.testing.assert_allclose(find_preprocess("own_scaling:half", 3)(pixels), before / 2)
        assert np.array_equal(pixels, before)
        assert find_preprocess("own_scaling:wide", 3)(pixels).dtype == np.float32

    @pytest.mark.parametrize(
        ("name", "says"),
        [
            ("no_such_module:f", "cannot import.*no_such_module"),
            ("own_scaling:nothing", "cannot import.*nothing"),
            ("own_scaling:", "cannot import"),
            ("breaks_on_import:f", "cannot import.*licence server"),
        ],
    )
    def test_errors_on_import(self, name: str, says: str) -> None:
        with pytest.raises(ConfigError, match=says) as caught:
            find_preprocess(name, 3)
        assert "module:function" in caught.value.hint

    @pytest.mark.parametrize(
        ("name", "says"),
        [
            ("own_scaling:shrinks", r"\(3, 5, 4, 3\) into \(3, 3, 4, 3\)"),
            ("own_scaling:fails", "failed: RuntimeError: no such file"),
            ("own_scaling:number", "failed: TypeError"),
        ],
    )
    def test_errors_on_use(self, pixels: np.ndarray, name: str, says: str) -> None:
        with pytest.raises(ConfigError, match=says):
            find_preprocess(name, 3)(pixels)
