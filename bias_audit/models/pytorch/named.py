"""Networks of torchvision and timm by address, `timm:NAME@CHECKPOINT`: built without weights, filled from the file.

Nothing is downloaded. What the library says of the pictures that the network was trained with comes along.
"""

from __future__ import annotations

import difflib
import hashlib
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any

from bias_audit.errors import ModelError
from bias_audit.files.text import parse_json, read_text
from bias_audit.limits.watchdog import watched
from bias_audit.models.addresses import Address, address_of
from bias_audit.models.function import Source
from bias_audit.models.pytorch.model import TorchModel
from bias_audit.models.pytorch.weights import Weights, fitted, read_weights
from bias_audit.models.trained_with import TrainedWith, of_timm, of_torchvision, order_of_classes
from bias_audit.users_code import running

if TYPE_CHECKING:
    from torch import nn

    from bias_audit.config import AuditConfig

AUXILIARY = {"googlenet": "aux1.", "inception_v3": "AuxLogits."}
"""Networks of torchvision with outputs for training only -> beginning of the names of their weights."""

TRANSFORMED = (
    "{} changes its input inside, as torchvision's own weights ask for (transform_input): the file does not say "
    "whether it was trained so. A network that was trained without has to come from module:function."
)

SILENT = " (the checkpoint itself says nothing)"

BESIDE = "config.json"
"""File beside a checkpoint in which timm says how it was trained."""

CLOSE = 3
"""Names that a sentence proposes."""


def named(name: str, config: AuditConfig, class_names: tuple[str, ...] | None) -> TorchModel:
    """Open a network of torchvision or timm.

    Args:
        name: its address.
        config, class_names: as in `doors.load_model`.

    Raises:
        ModelError: an unknown network, or a checkpoint that is unreadable, unsafe or of another network.
        ConfigError: the library cannot build it.
        PackageError: a package is not installed.
    """
    address = address_of(name)
    if address.library == "torchvision":
        import torchvision.models as library
    else:
        import timm as library
    make: Make = _torchvision if address.library == "torchvision" else _timm
    with watched("loading the model with its first call", config.limits.seconds_per_call):
        weights, sha256 = read_weights(address.checkpoint, config.limits)
        with running(f"{address.library} cannot build {address.network!r}"):
            network, said, notes, read_too = make(library, address, weights, class_names)
        if read_too:
            sha256 = hashlib.sha256(f"{sha256}\n{read_too}".encode()).hexdigest()
        return opened(network, said, Source(name, sha256, made=True), config, class_names, notes)


def opened(
    network: nn.Module,
    said: TrainedWith,
    source: Source,
    config: AuditConfig,
    class_names: tuple[str, ...] | None,
    notes: Sequence[str] = (),
) -> TorchModel:
    """A model of a library's network, whose outputs are logits unless the user says otherwise.

    Args:
        network: the network with its weights.
        said: what the library or the files say of its pictures; its size is that of the input.
        source: where it comes from.
        config, class_names: as in `doors.load_model`.
        notes: what a reader of the result should know about it.
    """
    size = config.image_size or said.image_size
    changed = config.changed({"image_size": size, "head": config.head or "logits"})
    model = TorchModel(network, changed, class_names, source)
    model.trained_with = said
    model.notes = (*model.notes, *notes)
    return model


Made = tuple["nn.Module", TrainedWith, Sequence[str], str]
"""(network, what is said of its pictures, notes, text of what was read besides the checkpoint)."""

Make = Callable[[Any, Address, Weights, "tuple[str, ...] | None"], Made]
"""(module of the library, address, weights, class names) -> what is made of them."""


def _torchvision(models: Any, address: Address, weights: Weights, class_names: tuple[str, ...] | None) -> Made:
    network = address.network.lower()
    # Classifiers only: networks for detection download a backbone unless they are told not to.
    _known(network, models.list_models(module=models), address)
    extra, notes = {}, []
    if (first := AUXILIARY.get(network)) is not None:
        with_them = any(first in key for key in weights)
        extra = {"transform_input": True, "aux_logits": with_them, "init_weights": False}
        notes = [TRANSFORMED.format(network)]

    def build(classes: int) -> nn.Module:
        return models.get_model(network, weights=None, num_classes=classes, **extra)  # type: ignore[no-any-return]

    made = fitted(weights, build, f"torchvision's {network}", str(address.checkpoint))
    said = of_torchvision(
        models.get_model_weights(network).DEFAULT.transforms(),
        f"the transforms of torchvision's own weights of {network}{SILENT}",
    )
    return made, said, notes, ""


def _timm(timm: Any, address: Address, weights: Weights, class_names: tuple[str, ...] | None) -> Made:
    if not timm.is_model(address.network):
        _known(address.network, timm.list_models(), address)
    build: Callable[[int], nn.Module] = lambda classes: timm.create_model(  # noqa: E731
        address.network, pretrained=False, num_classes=classes
    )
    made = fitted(weights, build, f"timm's {address.network}", str(address.checkpoint))
    said = dict(getattr(made, "pretrained_cfg", None) or {})
    source = f"timm's pretrained_cfg of {address.network}{SILENT}"
    beside, text = _beside(address)
    if beside:
        said.update(beside)
        source = f"the {BESIDE} beside the checkpoint"
    names = said.get("label_names")
    return made, of_timm(said, source), order_of_classes(names, class_names, source), text


def _beside(address: Address) -> tuple[dict[str, Any], str]:
    """(what the configuration beside the checkpoint says of its weights, its text); ({}, "") where there is none."""
    path = address.checkpoint.parent / BESIDE
    text = read_text(path, ModelError, "timm's configuration") if path.is_file() else None
    if text is None:
        return {}, ""
    content = parse_json(text, ModelError, f"timm's configuration {str(path)!r} is")
    if not isinstance(content, dict) or content.get("architecture") != address.network.partition(".")[0]:
        return {}, ""  # of another network, or of another library
    inner = content.get("pretrained_cfg")
    found = {**content, **inner} if isinstance(inner, dict) else content
    return found, text


def _known(network: str, names: Sequence[str], address: Address) -> None:
    if network in names:
        return
    close = difflib.get_close_matches(network, names, CLOSE)
    raise ModelError(
        f"{address.library} has no classifier {network!r}",
        f"Did you mean {' or '.join(map(repr, close))}?"
        if close
        else f"{address.library} lists its names: list_models().",
    )
