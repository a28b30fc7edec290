"""A Dataset or a DataLoader of PyTorch as the data of an audit, with its channels first or last."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from discs import NAMES, QUICK, Discs, by_ground, found, make_discs, opened
from PIL import Image
from torch.utils.data import DataLoader, IterableDataset, Subset, TensorDataset
from torch.utils.data import Dataset as TorchDataset

import bias_audit
from bias_audit.data.pictures import decode
from bias_audit.errors import BiasAuditError


@pytest.fixture(scope="module")
def discs() -> Discs:
    return make_discs()


class Photos(TorchDataset):
    """Like the data sets of torchvision: `classes`, pictures of Pillow, and a transform."""

    classes = NAMES

    def __init__(self, discs: Discs, transform: Any = lambda image: image, masks: bool = False) -> None:
        self.discs, self.transform, self.masks = discs, transform, masks

    def __len__(self) -> int:
        return len(self.discs.images)

    def __getitem__(self, place: int) -> Any:
        image = self.transform(Image.fromarray(self.discs.images[place]))
        label = int(self.discs.numbers[place])
        return (image, label, self.discs.masks[place]) if self.masks else (image, label)


def to_tensor(image: Image.Image) -> torch.Tensor:
    """As ToTensor of torchvision: (C, H, W) in 0..1."""
    return torch.from_numpy(np.asarray(image).copy()).permute(2, 0, 1).float() / 255


class Stream(IterableDataset):
    def __init__(self, photos: Photos) -> None:
        self.photos = photos

    def __iter__(self) -> Any:
        return (self.photos[place] for place in range(len(self.photos)))


def test_every_form_gives_the_same_pixels(discs: Discs, tmp_path: Path) -> None:
    expected = sorted((image.tobytes(), name) for image, name in zip(discs.images, discs.labels, strict=True))
    tensors = Photos(discs, to_tensor)
    for data in (
        Photos(discs), Photos(discs, np.asarray), tensors, Subset(tensors, range(24)), Stream(tensors),
        DataLoader(tensors, 5), DataLoader(tensors, 7, shuffle=True), DataLoader(tensors, batch_size=None),
        DataLoader(Stream(tensors), 5), DataLoader(Photos(discs), 4, collate_fn=listed),
    ):  # fmt: skip
        named = [
            (pixels, name if name in NAMES else NAMES[int(name)]) for pixels, name in found(opened(data, tmp_path))
        ]
        assert sorted(named) == expected, data


def listed(batch: Any) -> Any:
    return list(zip(*batch, strict=True))


def test_tensors_of_any_kind(tmp_path: Path) -> None:
    """bfloat16, one that needs gradients, and one whose channels are last in memory."""
    tensors = [
        torch.full((3, 4, 5), 0.5, dtype=torch.bfloat16),
        torch.full((3, 4, 5), 0.5, requires_grad=True),
        torch.full((1, 3, 4, 5), 0.5).to(memory_format=torch.channels_last)[0],
    ]
    dataset = opened([(tensor, "a") for tensor in tensors], tmp_path)
    assert [decode(sample.path, 3)[0].shape for sample in dataset.samples] == [(4, 5, 3)] * 3
    assert {int(value) for sample in dataset.samples for value in np.unique(decode(sample.path, 3)[0])} == {128}


def test_names_come_from_the_data_set_within(discs: Discs, tmp_path: Path) -> None:
    loader = DataLoader(Subset(Photos(discs, to_tensor), range(24)), 5)
    assert opened(loader, tmp_path).class_names == NAMES
    tensors = TensorDataset(torch.from_numpy(discs.images), torch.from_numpy(discs.numbers))
    assert opened(tensors, tmp_path).class_names == ("0", "1")


def test_a_shuffled_loader_has_ids_that_stay(discs: Discs, tmp_path: Path) -> None:
    loader = DataLoader(Photos(discs, to_tensor), 5, shuffle=True)
    assert opened(loader, tmp_path).fingerprint() == opened(loader, tmp_path).fingerprint()
    with pytest.raises(BiasAuditError, match="the DataLoader shuffles") as caught:
        opened(loader, tmp_path, ids=discs.ids)
    assert "shuffle=False" in caught.value.hint


def test_photos_that_the_loader_drops_are_said(discs: Discs, tmp_path: Path) -> None:
    dataset = opened(DataLoader(Photos(discs, to_tensor), 5, drop_last=True), tmp_path)
    assert len(dataset.samples) == 20
    assert "20 photos came of a data set of 24." in dataset.notes


def test_an_audit_is_that_of_the_folder(discs: Discs, tmp_path: Path) -> None:
    folder = discs.write(tmp_path / "discs")
    expected = bias_audit.audit(by_ground, folder / "images", masks=folder / "masks", out=tmp_path / "a", **QUICK)
    for place, data in enumerate((Photos(discs, to_tensor, masks=True), DataLoader(Photos(discs, to_tensor, True), 5))):
        result = bias_audit.audit(by_ground, data, ids=discs.ids, out=tmp_path / f"{place}", **QUICK)
        assert (result.verdict, result.outcomes) == (expected.verdict, expected.outcomes)


class Lies(Photos):
    def __len__(self) -> int:
        return 30

    def __getitem__(self, place: int) -> Any:
        if place >= 24:
            raise IndexError(place)
        return super().__getitem__(place)


class Raises(Photos):
    def __getitem__(self, place: int) -> Any:
        if place == 3:
            raise SystemExit(0)
        return super().__getitem__(place)


@pytest.mark.parametrize(
    ("make", "says"),
    [
        (lambda discs: Lies(discs, to_tensor), "says that it holds 30 photos, but ends after 24"),
        (lambda discs: Raises(discs, to_tensor), "photo 3 of the data in memory cannot be read: SystemExit 0"),
        (lambda discs: Photos(discs, lambda image: (to_tensor(image) - 0.5) / 0.2), "negative values"),
        (lambda discs: Photos(discs, lambda image: to_tensor(image)[:, :, :3]), "either end may be the channels"),
        (lambda discs: Photos(discs, lambda image: to_tensor(image)[None]), "the shape (1, 3, 48, 48)"),
        (lambda discs: DataLoader(Raises(discs, to_tensor), 5), "photo 0 of the data in memory cannot be read"),
    ],
)  # fmt: skip
def test_what_is_no_test_set(discs: Discs, tmp_path: Path, make: Any, says: str) -> None:
    with pytest.raises(BiasAuditError) as caught:
        opened(make(discs), tmp_path / "kept")
    assert says in caught.value.message
    assert not (tmp_path / "kept").exists()
