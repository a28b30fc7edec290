"""Settings of the input that are written with their numbers: what they mean, and texts that mean nothing."""

from __future__ import annotations

import numpy as np
import pytest
from PIL import Image

from bias_audit.config import OF_PILLOW, AuditConfig, read_config
from bias_audit.data.geometry import fit_image, fit_mask, largest_shape
from bias_audit.data.preprocess import find_preprocess
from bias_audit.errors import ConfigError
from bias_audit.input_texts import cut_of, mean_and_std, preprocess_of, resized_to


class TestMeanAndStd:
    def test_by_hand(self) -> None:
        pixels = np.array([[0, 51, 255]], np.float32).reshape(1, 1, 1, 3)
        made = find_preprocess("mean=0.5,0,0.25/std=0.5,2,0.25", 3)(pixels)
        assert made.ravel() == pytest.approx([-1, 0.1, 3])
        assert made.dtype == np.float32
        assert find_preprocess("mean=0.5/std=.5", 1)(pixels[..., :1]).ravel() == pytest.approx([-1])

    @pytest.mark.parametrize("name", ["none", "unit", "signed", "imagenet"])
    def test_a_name_is_its_numbers(self, name: str) -> None:
        from bias_audit.input_texts import NAMED

        mean, std = NAMED[name]
        text = f"mean={','.join(map(repr, mean))}/std={','.join(map(repr, std))}"
        pixels = np.random.default_rng(0).uniform(0, 255, (2, 3, 4, 3)).astype(np.float32)
        np.testing.assert_allclose(
            find_preprocess(text, 3)(pixels), find_preprocess(name, 3)(pixels), rtol=1e-5, atol=2e-6
        )
        assert preprocess_of([*mean] * (3 // len(mean)), [*std] * (3 // len(std))) == name

    def test_numbers_that_have_no_name_are_read_as_they_are_written(self) -> None:
        rng = np.random.default_rng(4)
        for _ in range(50):
            mean, std = rng.normal(0, 10, 3), rng.uniform(1e-5, 1e5, 3)
            again = mean_and_std(preprocess_of(mean, std))
            np.testing.assert_allclose(again[0], mean, rtol=1e-7)
            np.testing.assert_allclose(again[1], std, rtol=1e-7)
        assert preprocess_of([0.1] * 3, [0.2, 0.2, 0.3]) == "mean=0.1/std=0.2,0.2,0.3"

    @pytest.mark.parametrize(
        "text",
        [
            "mean=", "mean=0.5", "mean=0.5/std=", "mean=0.5/std=0", "mean=0.5/std=-1", "mean=nan/std=1",
            "mean=0/std=inf", "mean=1,2/std=1", "mean=1/std=1,2", "mean=1,2,3,4/std=1", "mean=0.5 /std=1",
            "mean=0/std=1/std=1", "mean=0/std=1e-9", "mean=1e9/std=1", "mean=1e999/std=1", "mean=0/std=1\n",
            "mean=\u0663/std=1", "mean=0;std=1", "mean=" + "9" * 9999 + "/std=1",
        ],
    )  # fmt: skip
    def test_other_texts(self, text: str) -> None:
        with pytest.raises(ConfigError, match="is not understood") as caught:
            AuditConfig(preprocess=text)
        assert "mean=M,M,M/std=S,S,S" in caught.value.hint
        assert len(caught.value.message) < 250

    def test_three_numbers_want_three_channels(self) -> None:
        with pytest.raises(ConfigError, match="needs three channels, the model takes 1"):
            find_preprocess("mean=0.5,0.4,0.3/std=1", 1)


class TestResize:
    def test_its_parts(self) -> None:
        assert cut_of("shorter") == ("shorter", (256, 224))
        assert cut_of("shorter=232/224") == ("shorter", (232, 224))
        assert cut_of("stretch") == ("stretch", None)
        assert cut_of("stretch=256/224") == ("stretch", (256, 224))

    @pytest.mark.parametrize(
        "text",
        [
            "shorter=", "shorter=232", "shorter=224/232", "shorter=1.1", "pad=2/1", "crop=2/1", "shorter=0/0",
            "shorter=2/1 ", "shorter=-2/-1", "=2/1", "shorter=\u0662/1", "shorter=999999/1",
        ],
    )  # fmt: skip
    def test_other_texts(self, text: str) -> None:
        with pytest.raises(ConfigError, match="is not understood"):
            AuditConfig(resize=text)

    def test_an_unknown_name(self) -> None:
        with pytest.raises(ConfigError, match="resize must be one of stretch, crop, pad, shorter, got 'short'"):
            AuditConfig(resize="short")

    @pytest.mark.parametrize("shape", [(50, 70), (33, 20), (224, 224), (7, 300), (375, 500)])
    @pytest.mark.parametrize(("before", "after"), [(232, 224), (224, 224), (110, 96), (35, 32), (64, 33)])
    @pytest.mark.parametrize(
        ("name", "how"),
        [
            ("antialias", Image.Resampling.BILINEAR),
            ("antialias_bicubic", Image.Resampling.BICUBIC),
            ("antialias_lanczos", Image.Resampling.LANCZOS),
            ("nearest", Image.Resampling.NEAREST),
        ],
    )
    def test_pictures_and_masks_are_pillows(self, photo, shape, before, after, name, how) -> None:
        """Both ways by Pillow's own calls: Resize(before) and CenterCrop(after), with torchvision's rounding."""
        pixels = photo(*shape)
        mask = (pixels[..., 0] > 100).astype(np.uint8)
        height, width = shape
        long = int(before * max(shape) / min(shape))
        sizes = {
            "shorter": (before, long) if height <= width else (long, before),
            "stretch": (before, before),
        }
        for mode, (tall, wide) in sizes.items():
            resize = resized_to(mode, before, after)
            left, top = round((wide - after) / 2.0), round((tall - after) / 2.0)
            box = (left, top, left + after, top + after)
            made = fit_image(pixels, (after, after), resize, name)
            assert np.array_equal(made, np.asarray(Image.fromarray(pixels).resize((wide, tall), how).crop(box)))
            fitted = fit_mask(mask, (after, after), resize)
            assert np.array_equal(
                fitted, np.asarray(Image.fromarray(mask).resize((wide, tall), Image.Resampling.NEAREST).crop(box))
            )
            assert largest_shape(shape, (after, after), resize) == (tall, wide)

    def test_the_size_may_be_another_one(self) -> None:
        assert largest_shape((100, 200), (112, 112), "shorter=232/224") == (116, 232)
        assert largest_shape((100, 200), (112, 56), "stretch=256/224") == (128, 64)

    def test_its_interpolations(self) -> None:
        for name in OF_PILLOW:
            assert AuditConfig(resize="shorter=232/224", interpolation=name).interpolation == name
        assert AuditConfig(resize="shorter=232/224").interpolation == "antialias"
        with pytest.raises(ConfigError, match="resize 'shorter=232/224' is torchvision's and goes with one of"):
            AuditConfig(resize="shorter=232/224", interpolation="bicubic")


class TestLeftOpen:
    def test_what_nobody_gave(self) -> None:
        assert AuditConfig().left_open == {"preprocess", "resize", "interpolation"}
        assert AuditConfig(preprocess="none").left_open == {"resize", "interpolation"}
        assert AuditConfig(loader="torchvision").left_open == {"preprocess"}
        assert AuditConfig(resize="stretch").left_open == {"preprocess", "interpolation"}

    def test_what_is_given_later(self) -> None:
        assert AuditConfig().changed({"resize": "stretch"}).left_open == {"preprocess", "interpolation"}
        assert AuditConfig().changed({"loader": "load_img"}).left_open == {"preprocess"}
        assert AuditConfig().changed({"seed": 1}).left_open == AuditConfig().left_open

    def test_the_default_is_what_it_was(self) -> None:
        given = AuditConfig(preprocess="none", resize="stretch", interpolation="bilinear", decoder="pillow")
        assert AuditConfig().digest() == given.digest()
        assert AuditConfig().as_dict() == given.as_dict()
        assert "left_open" not in given.as_dict()

    def test_it_is_no_setting(self, tmp_path) -> None:
        (tmp_path / "a.toml").write_text('[audit]\nleft_open = ["resize"]\n')
        with pytest.raises(ConfigError, match="unknown key 'left_open'"):
            read_config(tmp_path / "a.toml")
