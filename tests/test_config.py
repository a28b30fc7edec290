"""Defaults < TOML < flags; every wrong key and value in one sentence."""

from __future__ import annotations

import dataclasses
from pathlib import Path

import pytest

from bias_audit.config import AuditConfig, Thresholds, configured, read_class_map, read_config
from bias_audit.errors import ConfigError


def _toml(folder: Path, text: str) -> Path:
    file = folder / "audit.toml"
    file.write_text(text, encoding="utf-8")
    return file


def test_precedence(tmp_path: Path) -> None:
    file = _toml(tmp_path, '[audit]\nresize = "crop"\nseed = 5\n[thresholds]\nmin_gap = 0.1\nmin_photos = 7\n')
    audit, thresholds = read_config(file, seed=9, resize=None, donors=3)
    assert (audit.resize, audit.seed, audit.donors) == ("crop", 9, 3)
    assert audit == AuditConfig(resize="crop", seed=9, donors=3)
    assert thresholds == Thresholds(min_gap=0.1, min_photos=7)
    assert read_config(None) == (AuditConfig(), Thresholds())


def test_lists_numbers_and_integers_for_floats(tmp_path: Path) -> None:
    file = _toml(
        tmp_path,
        "[audit]\nimage_size = [96, 128]\nmask_foreground = [1, 2]\nmask_ignore = 255\n[thresholds]\nimage_z = 4\n",
    )
    audit, thresholds = read_config(file)
    assert (audit.image_size, audit.mask_foreground, audit.mask_ignore) == ((96, 128), (1, 2), 255)
    assert thresholds.image_z == 4.0
    assert isinstance(thresholds.image_z, float)


@pytest.mark.parametrize(
    ("text", "says", "hint"),
    [
        ("[audit]\nresise = 'crop'", "unknown key 'resise'", "'resize'"),
        ("[audit]\nqqq = 1", "unknown key 'qqq'", "Known keys"),
        ("[thresholds]\nmin_gaps = 0.1", "unknown key 'min_gaps'", "'min_gap'"),
        ("[gate]\nx = 1", "unknown table [gate]", "[audit] and [thresholds]"),
        ("seed = 3", "unknown table [seed]", "[audit] and [thresholds]"),
        ("audit = 3", "is not a table", ""),
        ("[audit]\nseed = '3'", "seed must be int, got '3'", ""),
        ("[audit]\nseed = true", "seed must be int, got True", ""),
        ("[audit]\nbatch_size = 3.5", "batch_size must be an integer, got 3.5", ""),
        ("[audit]\nlayer = 3", "layer must be str, got 3", ""),
        ("[audit]\nmask_ignore = 'x'", "mask_ignore must be an integer", ""),
        ("[audit]\nimage_size = 224", "image_size must be a list of", ""),
        ("[audit]\nimage_size = [224]", "image_size", ""),
        ("[audit]\nimage_size = [0, 224]", "image_size", ""),
        ("[audit]\nimage_size = [224, 224.5]", "image_size must be a list of", ""),
        ("[audit]\nmask_foreground = []", "mask_foreground must be a list of", ""),
        ("[audit]\nclass_map = {a = [1]}", "class_map", "--class-map"),
        ("[audit]\nresize = 'cropp'", "resize must be one of stretch, crop, pad, shorter, got 'cropp'", "'crop'"),
        ("[audit]\nloader = 'load_image'", "loader must be one of image_dataset_from_directory", "'load_img'"),
        ("[audit]\nloader = 3", "loader must be the name of a loader, got 3", ""),
        ("[audit]\ndecoder = 'opencv'", "decoder must be one of pillow, tensorflow", ""),
        ("[audit]\nresize = 'shorter'\ninterpolation = 'area'", "'shorter' is torchvision's", "antialias"),
        ("[audit]\ninterpolation = 'lanczos'", "interpolation must be one of bilinear", ""),
        ("[audit]\npreprocess = 'imagnet'", "preprocess must be one of none", "'imagenet'"),
        ("[audit]\nbatch_size = 0", "batch_size must be at least 1, got 0", ""),
        ("[audit]\ninterventions = -1", "interventions must be at least 0", ""),
        ("[audit]\ndonors = 0", "donors must be at least 1", ""),
        ("[audit]\nseed = -1", "seed must be at least 0", ""),
        ("[thresholds]\nfdr = 1.5", "fdr must lie in 0..1, without the ends, got 1.5", ""),
        ("[thresholds]\nmin_gap = nan", "min_gap must lie in 0..1", ""),
        ("[thresholds]\nmin_attract = 2", "min_attract must lie in 0..1, got 2.0", ""),
        ("[thresholds]\nfdr = 0", "fdr must lie in 0..1, without the ends, got 0.0", ""),
        ("[thresholds]\nimage_z = nan", "image_z must be finite and more than 0, got nan", ""),
        ("[thresholds]\nimage_z = inf", "image_z must be finite and more than 0, got inf", ""),
        ("[thresholds]\nimage_excess = inf", "image_excess must be finite and at least 0, got inf", ""),
        ("[thresholds]\nmin_photos = 10.0", "min_photos must be int, got 10.0", ""),
        ("[thresholds]\nfdr = true", "fdr must be float, got True", ""),
        ("[thresholds]\nmin_photos = 1", "min_photos must be finite and at least 2", ""),
        ("[audit\nseed = 1", "is not valid TOML", ""),
    ],
)
def test_errors(tmp_path: Path, text: str, says: str, hint: str) -> None:
    with pytest.raises(ConfigError) as caught:
        read_config(_toml(tmp_path, text))
    assert says in caught.value.message
    assert hint in caught.value.hint


def test_an_unreadable_file_is_named(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match=r"cannot read.*none\.toml.*No such file"):
        read_config(tmp_path / "none.toml")
    (tmp_path / "latin.toml").write_bytes("[audit]\nlayer = 'ä'".encode("latin-1"))
    with pytest.raises(ConfigError, match=r"latin\.toml.*not UTF-8"):
        read_config(tmp_path / "latin.toml")


def test_the_former_name_of_a_setting_means_the_same(tmp_path: Path) -> None:
    present = AuditConfig(group_by="patient")
    assert read_config(_toml(tmp_path, "[audit]\ncluster = 'patient'"))[0] == present
    assert configured(None, None, {"cluster": "patient"}) == present
    assert configured(present, None, {"cluster": None}).group_by is None
    with pytest.raises(ConfigError, match=r"\[audit\]: cluster is the former name of group_by, and both are given"):
        read_config(_toml(tmp_path, "[audit]\ncluster = 'patient'\ngroup_by = 'scene'"))
    with pytest.raises(ConfigError, match="cluster is the former name of group_by"):
        configured(None, None, {"cluster": "patient", "group_by": "patient"})


def test_flags_are_checked_too() -> None:
    with pytest.raises(ConfigError, match="resize must be one of"):
        read_config(None, resize="squash")
    assert read_config(None, preprocess="my.module:scale")[0].preprocess == "my.module:scale"


@pytest.mark.parametrize(
    ("loader", "resolved"),
    [
        (None, ("stretch", "bilinear", "pillow")),
        ("image_dataset_from_directory", ("stretch", "bilinear", "tensorflow")),
        ("flow_from_directory", ("stretch", "nearest", "pillow")),
        ("load_img", ("stretch", "nearest", "pillow")),
        ("torchvision", ("shorter", "antialias", "pillow")),
    ],
)
def test_a_loader_sets_what_is_not_given(loader: str | None, resolved: tuple[str, str, str]) -> None:
    def values(config: AuditConfig) -> tuple[str, str, str]:
        return config.resize, config.interpolation, config.decoder

    config = AuditConfig(loader=loader)
    assert values(config) == resolved
    assert [config.as_dict()[name] for name in ("resize", "interpolation", "decoder")] == list(resolved)
    assert values(read_config(None, loader=loader)[0]) == resolved
    assert values(read_config(None, loader=loader, resize="crop", interpolation="area")[0])[:2] == ("crop", "area")
    assert read_config(None, loader=loader, decoder="pillow")[0].decoder == "pillow"


def test_options_of_an_existing_configuration() -> None:
    changed = AuditConfig(interpolation="area").changed({"loader": "flow_from_directory", "resize": "crop"})
    assert (changed.resize, changed.interpolation) == ("crop", "nearest")
    assert AuditConfig(loader="torchvision").changed({"seed": 4}).resize == "shorter"
    assert AuditConfig(resize="shorter").interpolation == "antialias"


def test_the_digest_follows_every_field() -> None:
    changed = {
        "layer": "x", "method": "cam", "preprocess": "unit", "resize": "pad", "interpolation": "area",
        "loader": "flow_from_directory", "decoder": "tensorflow", "pixel_range": "full", "image_size": (9, 9),
        "batch_size": 3, "interventions": 7, "discovery": 9, "leakage": 8, "probes": 5, "donors": 3,
        "seed": 1, "group_by": "patient",
        "mask_foreground": (1,), "mask_ignore": 9, "segmenter": "auto", "class_map": (("a", (1,)),),
        "head": "logits", "output": "1", "torch": "bfloat16", "custom_objects": "my_layers",
        "thorough": True, "measured": ("attract",),
        "extra": (("dark_corners", 5),), "limits": {"pixels": 5e8},
    }  # fmt: skip
    assert set(changed) == {field.name for field in dataclasses.fields(AuditConfig)} - {
        "left_open"
    }  # follows from others
    digests = {AuditConfig(**{name: value}).digest() for name, value in changed.items()}
    assert len(digests | {AuditConfig().digest()}) == len(changed) + 1
    assert AuditConfig(seed=1).digest() == AuditConfig(seed=1).digest()


class TestClassMap:
    def _map(self, folder: Path, text: str) -> Path:
        file = folder / "map.json"
        file.write_text(text, encoding="utf-8")
        return file

    def test_order_of_the_file_and_single_numbers(self, tmp_path: Path) -> None:
        file = self._map(tmp_path, '{"dog": [151, 152], "cat": 281}')
        assert read_class_map(file) == (("dog", (151, 152)), ("cat", (281,)))

    @pytest.mark.parametrize(
        ("text", "says"),
        [
            ("{", "not valid JSON"),
            ("[1, 2]", "not an object"),
            ("{}", "not an object"),
            ('{"cat": []}', "no list of output indices for 'cat'"),
            ('{"cat": [1.5]}', "no list of output indices for 'cat'"),
            ('{"cat": [-1]}', "no list of output indices for 'cat'"),
            ('{"cat": true}', "no list of output indices for 'cat'"),
            ('{"cat": "281"}', "no list of output indices for 'cat'"),
            ('{"cat": [1, 2], "dog": [2]}', "uses output 2 for 'cat' and 'dog'"),
            ('{"cat": [1, 1]}', "uses output 1"),
        ],
    )
    def test_errors(self, tmp_path: Path, text: str, says: str) -> None:
        with pytest.raises(ConfigError) as caught:
            read_class_map(self._map(tmp_path, text))
        assert says in caught.value.message
        assert "map.json" in caught.value.message

    def test_a_missing_file_is_named(self, tmp_path: Path) -> None:
        with pytest.raises(ConfigError, match=r"cannot read the class map.*none\.json"):
            read_class_map(tmp_path / "none.json")
