"""Programs of PyTorch: what they predict, which files are refused before anything of them runs, and what is said."""

from __future__ import annotations

import subprocess
import sys
import zipfile
from pathlib import Path

import numpy as np
import pytest
import torch
from torch import nn
from torch_networks import CLASSES, SIZE, convolutions

from bias_audit.config import AuditConfig
from bias_audit.errors import ConfigError, ModelError
from bias_audit.models.base import Model
from bias_audit.models.doors import check_model, folder_name, is_address, load_model, name_of

CONFIG = AuditConfig(batch_size=4)
SIZED = CONFIG.changed({"image_size": SIZE})


@pytest.fixture(scope="module")
def net() -> nn.Module:
    net = convolutions().eval()
    with torch.no_grad():
        net[-1].weight.mul_(20)  # type: ignore[union-attr, operator]
    return net


@pytest.fixture(scope="module")
def programs(net: nn.Module, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The same network as programs of every kind."""
    folder = tmp_path_factory.mktemp("programs")
    example = torch.zeros(2, 3, *SIZE)
    torch.jit.script(net).save(str(folder / "scripted.pt"))
    torch.jit.trace(net, example).save(str(folder / "traced.pt"))
    torch.jit.freeze(torch.jit.script(net)).save(str(folder / "frozen.pt"))
    dynamic = torch.export.export(net, (example,), dynamic_shapes=({0: torch.export.Dim("n")},), strict=False)
    torch.export.save(dynamic, folder / "dynamic.pt2")
    torch.export.save(torch.export.export(net, (example,), strict=False), folder / "fixed.pt2")
    torch.save(net.state_dict(), folder / "weights.pth")
    return folder


def opened(address: str, config: AuditConfig = CONFIG) -> Model:
    return load_model(address, config, None)


@pytest.mark.parametrize("file", ["scripted.pt", "traced.pt", "frozen.pt", "dynamic.pt2", "fixed.pt2"])
def test_a_program_predicts_what_the_network_does(file: str, programs: Path, net: nn.Module) -> None:
    library = "torchscript" if file.endswith(".pt") else "torch.export"
    model = opened(f"{library}:{programs / file}", SIZED if library == "torchscript" else CONFIG)
    assert model.input_size == (*SIZE, 3)
    images = np.random.default_rng(0).uniform(0, 255, (7, *SIZE, 3)).astype(np.float32)
    with torch.no_grad():
        expected = torch.softmax(net(torch.from_numpy(images.transpose(0, 3, 1, 2).copy())), dim=1).numpy()
    assert np.ptp(expected, axis=0).max() > 0.01, "two images that are exchanged would not be noticed"
    assert model.predict(images).probabilities == pytest.approx(expected, abs=1e-5)
    assert (model.head, model.outputs, model.differentiable, model.layer) == ("logits", CLASSES, False, "")
    assert any("no layers and no gradients" in note for note in model.notes)


def test_the_size_of_an_exported_program_is_its_own(programs: Path) -> None:
    with pytest.raises(ConfigError, match=r"image_size is 32x32, and '.*fixed\.pt2' takes 24x32 alone"):
        opened(f"torch.export:{programs / 'fixed.pt2'}", CONFIG.changed({"image_size": (32, 32)}))


def test_a_grey_network(tmp_path: Path) -> None:
    net = nn.Sequential(nn.Conv2d(1, 2, 3), nn.Flatten(), nn.Linear(2 * 6 * 6, 2), nn.Softmax(1)).eval()
    torch.export.save(torch.export.export(net, (torch.zeros(1, 1, 8, 8),), strict=False), tmp_path / "grey.pt2")
    model = opened(f"torch.export:{tmp_path / 'grey.pt2'}")
    assert (model.input_size, model.head) == ((8, 8, 1), "softmax")
    image = np.random.default_rng(1).uniform(0, 1, (3, 8, 8, 1)).astype(np.float32)
    with torch.no_grad():
        expected = net(torch.from_numpy(image.transpose(0, 3, 1, 2).copy())).numpy()
    assert model.predict(image).probabilities == pytest.approx(expected, abs=1e-5)


def test_half_precision(tmp_path: Path) -> None:
    net = nn.Sequential(nn.Conv2d(3, 2, 3), nn.Flatten(), nn.Linear(2 * 6 * 6, 2)).eval().to(torch.bfloat16)
    torch.jit.script(net).save(str(tmp_path / "half.pt"))
    model = opened(f"torchscript:{tmp_path / 'half.pt'}", CONFIG.changed({"image_size": (8, 8)}))
    assert model.predict(np.ones((2, 8, 8, 3), np.float32)).valid.all()


class TestRefused:
    """A program is run by nobody who did not say what it is."""

    @pytest.mark.parametrize(("file", "kind"), [("scripted.pt", "torchscript"), ("fixed.pt2", "torch.export")])
    def test_without_its_address(self, file: str, kind: str, programs: Path) -> None:
        with pytest.raises(ModelError, match="running it runs whatever it says") as refused:
            check_model(programs / file)
        assert refused.value.hint.endswith(f"name it so: {kind}:{programs / file}")

    def test_before_pytorch_is_imported(self, programs: Path) -> None:
        code = (
            "import sys; from bias_audit.models.doors import check_model\n"
            f"try: check_model({str(programs / 'scripted.pt')!r})\n"
            "except Exception as error: print(type(error).__name__, 'torch' in sys.modules)"
        )
        made = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
        assert made.stdout.split() == ["ModelError", "False"]

    def test_weights_alone(self, programs: Path) -> None:
        with pytest.raises(ModelError, match=r"weights\.pth' is no model: .* weights alone"):
            check_model(programs / "weights.pth")

    def test_the_other_kind(self, programs: Path) -> None:
        with pytest.raises(ModelError, match=r"is no program of torch\.export") as refused:
            opened(f"torch.export:{programs / 'scripted.pt'}")
        assert "torchscript:" in refused.value.hint

    def test_weights_are_no_program(self, programs: Path) -> None:
        with pytest.raises(ModelError, match="is no program of TorchScript"):
            opened(f"torchscript:{programs / 'weights.pth'}")

    @pytest.mark.parametrize("file", ["scripted.pt", "fixed.pt2"])
    def test_a_damaged_one(self, file: str, programs: Path, tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> None:
        with zipfile.ZipFile(programs / file) as whole, zipfile.ZipFile(tmp_path / file, "w") as damaged:
            for name in whole.namelist():
                content = whole.read(name)
                damaged.writestr(
                    name, content[:-50] if name.endswith((".py", "model.json", "program.json")) else content
                )
        library = "torchscript" if file.endswith(".pt") else "torch.export"
        with pytest.raises(ConfigError, match=f"cannot load '.*{file}' as a program of"):
            opened(f"{library}:{tmp_path / file}")
        assert not capfd.readouterr().err

    def test_none_of_images(self, tmp_path: Path) -> None:
        torch.export.save(
            torch.export.export(nn.Linear(4, 2), (torch.zeros(1, 4),), strict=False), tmp_path / "flat.pt2"
        )
        with pytest.raises(ModelError, match="the program takes 1 inputs"):
            opened(f"torch.export:{tmp_path / 'flat.pt2'}")

    def test_too_large(self, programs: Path) -> None:
        small = CONFIG.changed({"limits": {"weights_bytes": 100}})
        with pytest.raises(ModelError, match="weights_bytes"):
            opened(f"torchscript:{programs / 'scripted.pt'}", small)

    def test_a_missing_file_and_a_folder(self, tmp_path: Path) -> None:
        with pytest.raises(ModelError, match="no model at"):
            check_model("torchscript:nothing.pt")
        with pytest.raises(ModelError, match="not a regular file"):
            check_model(f"torchscript:{tmp_path}")


def test_names() -> None:
    assert is_address("torchscript:models/net.pt")
    assert not is_address("mine:predict")
    assert name_of("torchscript:models/net.pt") == "torchscript:net"
    assert folder_name("torch.export:models/net.pt2") == "torch.export-net"
