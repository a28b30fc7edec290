"""What files of models say of pictures, as settings; whether the pictures are the libraries' own says
`make torch-families`."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import pytest

from bias_audit.models.trained_with import TrainedWith, of_hugging_face, of_keras_hub, of_timm, of_torchvision

IMAGENET = {"image_mean": [0.485, 0.456, 0.406], "image_std": [0.229, 0.224, 0.225], "resample": 3}
HALF = {"image_mean": [0.5] * 3, "image_std": [0.5] * 3, "resample": 2}
SQUARE = {"height": 224, "width": 224}


def read(said: TrainedWith) -> tuple[Any, ...]:
    return said.preprocess, said.resize, said.interpolation, said.image_size


class TestHuggingFace:
    @pytest.mark.parametrize(
        ("said", "expected"),
        [
            ({**HALF, "size": SQUARE}, ("signed", "stretch", "antialias", (224, 224))),
            (
                {**IMAGENET, "size": {"shortest_edge": 256}, "do_center_crop": True, "crop_size": SQUARE},
                ("imagenet", "shorter", "antialias_bicubic", (224, 224)),
            ),
            (
                {**IMAGENET, "size": {"height": 256, "width": 256}, "do_center_crop": True, "crop_size": 224},
                ("imagenet", "stretch=256/224", "antialias_bicubic", (224, 224)),
            ),
            (  # 224 / .875 = 256
                {**IMAGENET, "size": {"shortest_edge": 224}, "image_processor_type": "ConvNextImageProcessor"},
                ("imagenet", "shorter", "antialias_bicubic", (224, 224)),
            ),
            (
                {**IMAGENET, "size": {"shortest_edge": 384}, "feature_extractor_type": "ConvNextFeatureExtractor"},
                ("imagenet", "stretch", "antialias_bicubic", (384, 384)),
            ),
            (  # int(256 / 224 * 224)
                {**IMAGENET, "size": {"shortest_edge": 224}, "image_processor_type": "LevitImageProcessor",
                 "do_center_crop": True, "crop_size": SQUARE},
                ("imagenet", "shorter", "antialias_bicubic", (224, 224)),
            ),
            (  # int(224 / .9)
                {**IMAGENET, "size": {"shortest_edge": 224}, "image_processor_type": "PoolFormerImageProcessor",
                 "crop_pct": 0.9, "do_center_crop": True, "crop_size": SQUARE},
                ("imagenet", "shorter=248/224", "antialias_bicubic", (224, 224)),
            ),
            (
                {"do_normalize": False, "do_flip_channel_order": True, "resample": 0, "size": SQUARE},
                ("unit_bgr", "stretch", "nearest", (224, 224)),
            ),
            (
                {"do_rescale": False, "do_normalize": False, "size": SQUARE},
                ("none", "stretch", "antialias", (224, 224)),
            ),
            (  # (x / 127.5 - 0.2) / 0.4 = (x / 255 - 0.1) / 0.2
                {"rescale_factor": 1 / 127.5, "image_mean": [0.2] * 3, "image_std": [0.4] * 3, "size": SQUARE},
                ("mean=0.1/std=0.2", "stretch", "antialias", (224, 224)),
            ),
            ({**HALF, "do_resize": False}, ("signed", None, None, (48, 64))),
        ],
    )  # fmt: skip
    def test_what_is_said(self, said: dict[str, Any], expected: tuple[Any, ...]) -> None:
        made = of_hugging_face(said, "it", [48, 64])
        assert (read(made), made.remarks) == (expected, ())

    @pytest.mark.parametrize(
        ("said", "remark"),
        [
            ({**HALF, "size": 224}, "a resize to 224 is not understood"),  # a square, or the shorter side
            ({**HALF, "size": {"shortest_edge": 224}}, "is not understood"),  # pictures of any size
            ({**HALF, "size": {"longest_edge": 224}}, "is not understood"),
            ({**HALF, "size": SQUARE, "do_center_crop": True, "crop_size": {"height": 1, "width": 2}}, "the crop_size"),
            ({**HALF, "size": SQUARE, "do_center_crop": True, "crop_size": 256}, "a cut of 256 pixels out of 224"),
            ({**HALF, "size": SQUARE, "do_pad": True}, "do_pad is not done here"),
            ({**HALF, "size": SQUARE, "resample": 5}, "the interpolation 5 is not known"),
            ({**HALF, "size": SQUARE, "image_std": [0.5, 0, 0.5]}, "are not understood"),
            ({**HALF, "size": SQUARE, "image_mean": None}, "the mean None"),
            ({**HALF, "size": SQUARE, "image_mean": "high"}, "the mean 'high'"),
            ({**HALF, "size": SQUARE, "rescale_factor": 0}, "the rescale_factor 0"),
            ({**IMAGENET, "size": SQUARE, "do_flip_channel_order": True}, "in the order BGR are not understood"),
            (
                {**HALF, "size": SQUARE, "rescale_offset": True, "image_processor_type": "EfficientNetImageProcessor"},
                "in a way of EfficientNet's own",
            ),
        ],
    )
    def test_what_is_said_and_not_done(self, said: dict[str, Any], remark: str) -> None:
        made = of_hugging_face(said, "it")
        assert len(made.remarks) == 1
        assert remark in made.remarks[0]


TIMM = {"mean": (0.5, 0.5, 0.5), "std": (0.5, 0.5, 0.5), "interpolation": "bicubic", "input_size": (3, 224, 224)}


class TestTimm:
    @pytest.mark.parametrize(
        ("share", "mode", "resize"),
        [
            (0.875, "center", "shorter"),
            (0.9, "center", "shorter=248/224"),  # floor(224 / .9) = floor(248.9)
            (0.95, "center", "shorter=235/224"),
            (1.0, "center", "shorter=224/224"),
            (1.0, "squash", "stretch"),
            (0.875, "squash", "stretch=256/224"),
            (None, None, "shorter"),  # timm's defaults
        ],
    )
    def test_the_cut(self, share: float | None, mode: str | None, resize: str) -> None:
        made = of_timm({**TIMM, "crop_pct": share, "crop_mode": mode}, "it")
        assert (read(made), made.remarks) == (("signed", resize, "antialias_bicubic", (224, 224)), ())

    @pytest.mark.parametrize(
        ("said", "remark"),
        [
            ({"crop_mode": "border"}, "a crop of 0.875 by crop_mode 'border'"),
            ({"input_size": (3, 224, 160)}, "to 224x160 is not done here"),
            ({"input_size": "large"}, "the input_size 'large'"),
            ({"crop_pct": 1.2}, "a crop of 1.2"),
            ({"interpolation": "random"}, "the interpolation 'random' is not known"),
            ({"std": None}, "are not understood"),
        ],
    )
    def test_what_is_said_and_not_done(self, said: dict[str, Any], remark: str) -> None:
        made = of_timm({**TIMM, **said}, "it")
        assert len(made.remarks) == 1
        assert remark in made.remarks[0]


class TestTorchvision:
    def test_what_is_said(self) -> None:
        made = SimpleNamespace(
            resize_size=[232], crop_size=[224], mean=[0.485, 0.456, 0.406], std=[0.229, 0.224, 0.225],
            interpolation=SimpleNamespace(value="bilinear"),
        )  # fmt: skip
        assert read(of_torchvision(made, "it")) == ("imagenet", "shorter=232/224", "antialias", (224, 224))

    def test_another_kind_of_transforms(self) -> None:
        assert of_torchvision(object(), "it").remarks == ("its transforms are of a kind that is not known",)


class TestKerasHub:
    def _model(self, **said: Any) -> Any:
        return SimpleNamespace(preprocessor=SimpleNamespace(image_converter=SimpleNamespace(**said)))

    def test_what_is_said(self) -> None:
        said = {"scale": 1 / 127.5, "offset": -1, "image_size": (96, 96), "crop_to_aspect_ratio": True}
        made = of_keras_hub(self._model(**said))
        assert made is not None
        assert read(made) == ("signed", "crop", "bilinear", (96, 96))
        scale = [1 / (255 * each) for each in (0.229, 0.224, 0.225)]
        offset = [-m / s for m, s in zip((0.485, 0.456, 0.406), (0.229, 0.224, 0.225), strict=True)]
        made = of_keras_hub(self._model(scale=scale, offset=offset, image_size=None))
        assert made is not None
        assert read(made) == ("imagenet", None, None, None)

    def test_there_is_none(self) -> None:
        assert of_keras_hub(object()) is None
        assert of_keras_hub(SimpleNamespace(preprocessor=None)) is None
