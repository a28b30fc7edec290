"""Networks of torchvision and timm by address: what they predict, what they are read with, and what is refused."""

from __future__ import annotations

import io
import json
import pickle
import shutil
import zipfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import libraries
import numpy as np
import pytest
import torch
from torch import nn

import bias_audit
from bias_audit.config import AuditConfig
from bias_audit.errors import BiasAuditError, ModelError, PackageError
from bias_audit.models import doors
from bias_audit.models.doors import check_model, load_model
from bias_audit.models.trained_with import settled
from bias_audit.pipeline.reopen import config_of

NAMES = ("husky", "wolf")


@pytest.fixture(autouse=True)
def _libraries() -> Iterator[None]:
    with libraries.on_the_path():
        yield


def network(classes: int = 2, seed: int = 0) -> nn.Module:
    """A network with weights of its own, so that no two of them predict the same."""
    from torchvision.models import Small

    torch.manual_seed(seed)
    made = Small(classes)
    with torch.no_grad():
        made.fc.weight *= 6  # else two pictures hardly differ
    made.bn1.running_mean.copy_(torch.randn(4))
    return made.eval()


def images(count: int = 5) -> np.ndarray:
    rng = np.random.default_rng(0)
    colours = rng.uniform(-3, 3, (count, 1, 1, 3))
    return (colours + rng.uniform(-1, 1, (count, 32, 32, 3))).astype(np.float32)


def own(made: nn.Module, pixels: np.ndarray) -> np.ndarray:
    with torch.no_grad():
        return made(torch.from_numpy(pixels.transpose(0, 3, 1, 2).copy())).softmax(dim=1).numpy()


def plain(weights: Any) -> Any:
    return weights


def prefixed(prefix: str) -> Any:
    return lambda weights: {prefix + name: each for name, each in weights.items()}


WRAPPED = {
    "state_dict": plain,
    "state_dict among others": lambda weights: {"epoch": 3, "state_dict": weights, "best": 0.9},
    "model_state_dict": lambda weights: {"optimizer": {"lr": 0.1}, "model_state_dict": weights},
    "model": lambda weights: {"model": weights},
    "DataParallel": prefixed("module."),
    "compiled, in Lightning": lambda weights: {"state_dict": prefixed("model._orig_mod.")(weights)},
    "half precision": lambda weights: {name: each.half() for name, each in weights.items()},
}


class TestOpened:
    @pytest.mark.parametrize("wrapped", WRAPPED)
    def test_it_predicts_what_the_network_does(self, wrapped: str, tmp_path: Path) -> None:
        made = network()
        torch.save(WRAPPED[wrapped](made.state_dict()), tmp_path / "w.pth")
        loaded = load_model(f"torchvision:small18@{tmp_path / 'w.pth'}", AuditConfig(), NAMES)
        expected = own(made, images())
        assert np.abs(np.diff(expected, axis=0)).max(axis=1).min() > 0.05, "exchanged pictures would be noticed"
        close = 2e-2 if wrapped == "half precision" else 1e-5
        np.testing.assert_allclose(loaded.predict(images()).probabilities, expected, atol=close)

    @pytest.mark.parametrize("classes", [1000, 7])
    def test_the_number_of_classes_is_that_of_the_weights(self, classes: int, tmp_path: Path) -> None:
        made = network(classes)
        torch.save(made.state_dict(), tmp_path / "w.pth")
        loaded = load_model(f"timm:tiny_patch8_32@{tmp_path / 'w.pth'}", AuditConfig(), None)
        assert loaded.outputs == classes
        np.testing.assert_allclose(loaded.predict(images()).probabilities, own(made, images()), atol=1e-5)

    def test_safetensors(self, tmp_path: Path) -> None:
        from safetensors.torch import save_file

        made = network(3)
        save_file(made.state_dict(), tmp_path / "w.safetensors")
        loaded = load_model(f"timm:tiny_patch8_32.of_mine@{tmp_path / 'w.safetensors'}", AuditConfig(), None)
        np.testing.assert_allclose(loaded.predict(images()).probabilities, own(made, images()), atol=1e-5)

    def test_what_it_is_follows_from_the_file(self, tmp_path: Path) -> None:
        digests = []
        for seed in (0, 0, 1):
            torch.save(network(seed=seed).state_dict(), tmp_path / "w.pth")
            digests.append(load_model(f"torchvision:small18@{tmp_path / 'w.pth'}", AuditConfig(), NAMES).sha256)
        assert digests[0] == digests[1] != digests[2]

    @pytest.mark.parametrize("with_auxiliary", [True, False])
    def test_outputs_for_training_only_are_as_in_the_file(self, with_auxiliary: bool, tmp_path: Path) -> None:
        from torchvision.models import WithAuxiliary

        made = WithAuxiliary(2, transform_input=True, aux_logits=with_auxiliary, init_weights=False).eval()
        torch.save(made.state_dict(), tmp_path / "w.pth")
        loaded = load_model(f"torchvision:googlenet@{tmp_path / 'w.pth'}", AuditConfig(), NAMES)
        np.testing.assert_allclose(loaded.predict(images()).probabilities, own(made, images()), atol=1e-5)
        assert any("transform_input" in note for note in loaded.notes)


class TestPictures:
    def _opened(self, address: str, config: AuditConfig) -> tuple[AuditConfig, Any]:
        loaded = load_model(address, config, NAMES)
        return settled(config, loaded), loaded

    def test_torchvision_says_how_they_were_prepared(self, tmp_path: Path) -> None:
        torch.save(network().state_dict(), tmp_path / "w.pth")
        config, loaded = self._opened(f"torchvision:small18@{tmp_path / 'w.pth'}", AuditConfig())
        assert (config.preprocess, config.resize, config.interpolation) == ("imagenet", "shorter=36/32", "antialias")
        assert config.image_size == loaded.input_size[:2] == (32, 32)
        (note,) = (each for each in loaded.notes if each.startswith("Pictures are prepared by"))
        assert "torchvision's own weights of small18 (the checkpoint itself says nothing)" in note
        assert "--preprocess imagenet --resize shorter=36/32 --interpolation antialias --image-size 32x32" in note

    def test_what_was_given_counts_more(self, tmp_path: Path) -> None:
        torch.save(network().state_dict(), tmp_path / "w.pth")
        given = AuditConfig(preprocess="none", image_size=(40, 40), loader="load_img")
        config, loaded = self._opened(f"torchvision:small18@{tmp_path / 'w.pth'}", given)
        assert (config.preprocess, config.resize, config.interpolation) == ("none", "stretch", "nearest")
        assert loaded.input_size == (40, 40, 3)
        (note,) = (each for each in loaded.notes if "something else was given" in each)
        assert "--preprocess imagenet --resize shorter=36/32 --interpolation antialias --image-size 32x32" in note

    def test_one_may_be_given_and_the_others_read(self, tmp_path: Path) -> None:
        torch.save(network().state_dict(), tmp_path / "w.pth")
        config, _ = self._opened(f"torchvision:small18@{tmp_path / 'w.pth'}", AuditConfig(resize="stretch"))
        assert (config.preprocess, config.resize, config.interpolation) == ("imagenet", "stretch", "antialias")
        with pytest.raises(BiasAuditError, match=r"--interpolation bilinear does not go with what the transforms of"):
            self._opened(f"torchvision:small18@{tmp_path / 'w.pth'}", AuditConfig(interpolation="bilinear"))

    def test_timm_says_it_beside_the_checkpoint(self, tmp_path: Path) -> None:
        torch.save(network().state_dict(), tmp_path / "w.pth")
        address = f"timm:tiny_patch8_32@{tmp_path / 'w.pth'}"
        config, first = self._opened(address, AuditConfig())
        assert (config.preprocess, config.resize, config.interpolation) == (
            "signed", "shorter=35/32", "antialias_bicubic",
        )  # fmt: skip
        beside = {"architecture": "tiny_patch8_32", "pretrained_cfg": {"mean": [0, 0, 0], "std": [1, 1, 1]}}
        (tmp_path / "config.json").write_text(json.dumps(beside))
        config, second = self._opened(address, AuditConfig())
        assert (config.preprocess, config.resize) == ("unit", "shorter=35/32")
        assert any("config.json beside the checkpoint" in note for note in second.notes)
        assert first.sha256 != second.sha256
        (tmp_path / "config.json").write_text(json.dumps({**beside, "architecture": "another"}))
        config, third = self._opened(address, AuditConfig())
        assert (config.preprocess, third.sha256) == ("signed", first.sha256)

    def test_timm_names_the_classes_in_another_order(self, tmp_path: Path) -> None:
        torch.save(network().state_dict(), tmp_path / "w.pth")
        said = {"architecture": "tiny_patch8_32", "label_names": ["Wolf", "Husky"]}
        (tmp_path / "config.json").write_text(json.dumps(said))
        _, loaded = self._opened(f"timm:tiny_patch8_32@{tmp_path / 'w.pth'}", AuditConfig())
        (note,) = (each for each in loaded.notes if "another one: output 0 is 'Wolf' there and 'husky' here" in each)
        assert "--class-map" in note


def test_an_audit_is_made_and_its_run_opens_again(photo_folder: Path, mask_folder: Path, tmp_path: Path) -> None:
    torch.save(network().state_dict(), tmp_path / "w.pth")
    said = {"architecture": "tiny_patch8_32", "mean": [0.1, 0.2, 0.3], "std": [0.5, 0.5, 0.5]}
    (tmp_path / "config.json").write_text(json.dumps(said))
    address = f"timm:tiny_patch8_32@{tmp_path / 'w.pth'}"
    made = bias_audit.audit(address, photo_folder, masks=mask_folder, out=tmp_path / "run", discovery=0)
    again = config_of(made.info)
    assert again.preprocess == made.info.preprocess == "mean=0.1,0.2,0.3/std=0.5"
    assert (again.resize, again.interpolation, again.image_size) == ("shorter=35/32", "antialias_bicubic", (32, 32))
    assert not again.left_open
    # The same settings, given: the same numbers, and nothing that was read in their place.
    (tmp_path / "config.json").unlink()
    given = {name: getattr(again, name) for name in ("preprocess", "resize", "interpolation", "image_size")}
    other = bias_audit.audit(address, photo_folder, masks=mask_folder, out=tmp_path / "other", discovery=0, **given)
    assert other.images["probability"].tolist() == made.images["probability"].tolist()
    assert not any(note.startswith("Pictures are prepared") for note in other.info.notes)


class Marker:
    """Writes a file when it is unpickled."""

    def __init__(self, mark: Path) -> None:
        self.mark = str(mark)

    def __reduce__(self) -> Any:
        return (open, (self.mark, "w"))


class TestRefused:
    def _said(self, address: str, **options: Any) -> str:
        with pytest.raises(BiasAuditError) as caught:
            load_model(address, AuditConfig(**options), NAMES)
        said = str(caught.value)
        assert len(caught.value.message.splitlines()) == 1
        return said

    @pytest.mark.parametrize("library", doors.NETWORKS)
    def test_a_name_without_weights(self, library: str) -> None:
        for name in (f"{library}:resnet50", f"{library}:resnet50@"):
            with pytest.raises(ModelError, match=f"'{name}' names no weights, and nothing is downloaded") as caught:
                check_model(name)
            assert caught.value.hint == f"Name a file with the weights: {library}:resnet50@weights.pth."

    def test_names_that_lead_elsewhere(self, tmp_path: Path) -> None:
        (tmp_path / "w.pth").write_bytes(b"")
        for network in ("hf-hub:timm/x", "local-dir:/tmp", "../x", "", "a/b"):
            with pytest.raises(ModelError, match="names no network of timm"):
                check_model(f"timm:{network}@{tmp_path / 'w.pth'}")

    def test_a_file_that_is_none(self, tmp_path: Path) -> None:
        with pytest.raises(ModelError, match=r"the checkpoint 'no\.pth' of timm:x is not there"):
            check_model("timm:x@no.pth")
        with pytest.raises(ModelError, match="is not a regular file"):
            check_model(f"timm:x@{tmp_path}")

    def test_an_unknown_network(self, tmp_path: Path) -> None:
        torch.save(network().state_dict(), tmp_path / "w.pth")
        assert "torchvision has no classifier 'small8'\n\nDid you mean 'small18'?" in self._said(
            f"torchvision:small8@{tmp_path / 'w.pth'}"
        )
        assert "timm has no classifier 'tiny_patch8'\n\nDid you mean 'tiny_patch8_32'?" in self._said(
            f"timm:tiny_patch8@{tmp_path / 'w.pth'}"
        )

    def test_a_network_that_would_download_a_part(self, tmp_path: Path) -> None:
        torch.save(network().state_dict(), tmp_path / "w.pth")
        assert "torchvision has no classifier 'detector'" in self._said(f"torchvision:detector@{tmp_path / 'w.pth'}")

    def test_weights_of_another_network(self, tmp_path: Path) -> None:
        weights = dict(network().state_dict())
        weights["head.weight"] = weights.pop("fc.weight")
        weights["conv1.weight"] = torch.zeros(4, 1, 3, 3)
        torch.save(weights, tmp_path / "w.pth")
        said = self._said(f"torchvision:small18@{tmp_path / 'w.pth'}")
        assert "are not those of torchvision's small18: 1 missing (fc.weight); 1 unknown (head.weight); " in said
        assert "of another shape (conv1.weight (4, 1, 3, 3) instead of (4, 3, 3, 3))" in said

    def test_a_pickle_runs_nothing(self, tmp_path: Path) -> None:
        mark, path = tmp_path / "mark", tmp_path / "w.pth"
        for content in (Marker(mark), {"state_dict": network().state_dict(), "args": Marker(mark)}):
            torch.save(content, path)
            assert "it holds more than weights" in self._said(f"torchvision:small18@{path}")
            path.write_bytes(pickle.dumps(content))
            self._said(f"torchvision:small18@{path}")
            torch.save(content, path, _use_new_zipfile_serialization=False)
            assert "it holds more than weights" in self._said(f"torchvision:small18@{path}")
        assert not mark.exists()
        with open(path, "rb") as file:  # the test can fail: whoever loads it in the old way leaves the mark
            torch.load(file, weights_only=False)
        assert mark.exists()

    def test_a_whole_network(self, tmp_path: Path) -> None:
        torch.save(network(), tmp_path / "w.pth")
        said = self._said(f"torchvision:small18@{tmp_path / 'w.pth'}")
        assert "it holds more than weights (torchvision.models.Small), and code of a file is not run" in said
        assert "torch.save(net.state_dict(), 'weights.pth')" in said

    def test_a_program(self, tmp_path: Path) -> None:
        torch.jit.script(nn.Linear(2, 2)).save(str(tmp_path / "w.pth"))
        said = self._said(f"torchvision:small18@{tmp_path / 'w.pth'}")
        assert "it is a program of TorchScript" in said
        assert "torchscript:" in said

    @pytest.mark.parametrize(
        ("content", "said"),
        [
            ({"epoch": 3}, "it holds no state_dict but a dict of epoch"),
            ([1, 2], "it holds no state_dict but list"),
            (torch.zeros(3), "it holds no state_dict but Tensor"),
            ({"fc.weight": torch.zeros(2, 6).to_sparse()}, "fc.weight is sparse, quantised or without values"),
            ({"fc.weight": torch.zeros(2, 6, device="meta")}, "is sparse, quantised or without values"),
        ],
    )
    def test_no_weights(self, content: Any, said: str, tmp_path: Path) -> None:
        torch.save(content, tmp_path / "w.pth")
        assert said in self._said(f"torchvision:small18@{tmp_path / 'w.pth'}")

    def test_damaged_files(self, tmp_path: Path) -> None:
        path = tmp_path / "w.pth"
        torch.save(network().state_dict(), path)
        whole = path.read_bytes()
        for content in (b"", b"no file of torch", whole[: len(whole) // 2], whole[:-1]):
            path.write_bytes(content)
            assert "cannot read the weights of" in self._said(f"torchvision:small18@{path}")
        (tmp_path / "w.safetensors").write_bytes(b"\xff" * 20)
        assert "no safetensors file" in self._said(f"torchvision:small18@{tmp_path / 'w.safetensors'}")

    def test_what_is_larger_than_it_may_be(self, tmp_path: Path) -> None:
        path = tmp_path / "w.pth"
        torch.save(network().state_dict(), path)
        size = path.stat().st_size
        said = self._said(f"torchvision:small18@{path}", limits={"weights_bytes": size - 1})
        assert f"it has {size:,} bytes, beyond the limit weights_bytes of {size - 1:,}" in said
        torch.save({"fc.weight": torch.zeros(1).expand(10**10, 6), "fc.bias": torch.zeros(1)}, path)
        assert path.stat().st_size < 10_000
        assert "they have 240,000,000,004 bytes, beyond the limit weights_bytes" in self._said(
            f"torchvision:small18@{path}"
        )

    def test_a_pickle_that_asks_for_memory(self, tmp_path: Path) -> None:
        path = tmp_path / "w.pth"
        asks = b"\x80\x02cbuiltins\nbytearray\nJ\xff\xff\xff\x7f\x85R."  # bytearray(2**31 - 1)
        torch.save({"a": torch.zeros(1)}, path)
        with zipfile.ZipFile(path) as archive:
            members = {each: archive.read(each) for each in archive.namelist()}
        changed = {name: asks if name.endswith("data.pkl") else each for name, each in members.items()}
        for compression, said in (
            (zipfile.ZIP_STORED, "it asks for a bytearray"),
            (zipfile.ZIP_DEFLATED, "parts of it are compressed"),
        ):
            with zipfile.ZipFile(path, "w", compression) as archive:
                for name, each in changed.items():
                    archive.writestr(name, each)
            assert said in self._said(f"torchvision:small18@{path}")
        legacy = io.BytesIO()
        torch.save({"a": 1}, legacy, _use_new_zipfile_serialization=False)
        path.write_bytes(legacy.getvalue().replace(b".\x80", b"." + asks + b"\x80", 1))
        assert "it asks for a bytearray" in self._said(f"torchvision:small18@{path}")

    @pytest.mark.parametrize("absent", ["torchvision", "timm", "safetensors"])
    def test_a_library_that_is_not_installed(
        self, absent: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        fakes = tmp_path / "fakes"
        shutil.copytree(libraries.FAKES, fakes, ignore=lambda _, names: [each for each in names if each == absent])
        libraries.forget()
        monkeypatch.setattr("sys.path", [str(fakes), *(each for each in __import__("sys").path if "fakes" not in each)])
        (tmp_path / "w.safetensors").write_bytes(b"")
        library = "torchvision" if absent == "torchvision" else "timm"
        address = f"{library}:x@{tmp_path / 'w.safetensors'}"
        with pytest.raises(PackageError) as caught:
            check_model(address)
        assert caught.value.message == f"{absent} is not installed, and {address!r} needs it: pip install {absent}"
