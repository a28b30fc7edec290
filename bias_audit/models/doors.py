"""Opens whatever a user calls a model: a file, a function or an object in memory.

What kind it is decides which framework is imported; a function needs none.
"""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

from bias_audit.config import AuditConfig
from bias_audit.errors import ConfigError, ModelError
from bias_audit.files.regular import unreachable
from bias_audit.limits.watchdog import watched
from bias_audit.models.addresses import NETWORKS, address_of
from bias_audit.models.base import Model, Predictor
from bias_audit.models.outputs import refuse_choice
from bias_audit.models.pytorch import files as torch_files
from bias_audit.models.pytorch.hugging_face_files import CONFIG, folder_of
from bias_audit.packages import needed
from bias_audit.users_code import running

KERAS = ("keras", "tf_keras", "tensorflow")
"""Packages whose models in memory are Keras models."""

TORCH = ("torch.nn.modules.module", "Module")
"""Module and name of the class of which every model of PyTorch is one."""

OWN = f"{__package__}."
"""Beginning of the names of the modules whose models watch over themselves."""

KERAS_FILES = (".keras", ".h5", ".hdf5")
"""Endings of the files that hold a model of Keras."""

FIRST_CALL = "loading the model with its first call"
"""What the watchdog says of it."""

Opener = Callable[[str, AuditConfig, tuple[str, ...] | None], Model]
"""(name that the user gave, config, class names) -> model."""


def load_model(model: str | Path | Any, config: AuditConfig, class_names: tuple[str, ...] | None) -> Model:
    """Load a model, find the layer to explain if it has any, and check that the outputs fit the classes.

    Args:
        model: path of a .keras, .h5 or .onnx file, of a SavedModel folder or of one of Hugging Face;
            `torchvision:NAME@FILE` or `timm:NAME@FILE`; `module:function`, a function of images that predicts or one
            without arguments that makes a model; or a model in memory: of Keras or PyTorch, any object that satisfies
            `base.Model` or `base.Predictor`, or such a function.
        config: layer, image size, batch size and class map.
        class_names: classes of the data set, in the order of the outputs; None = no data set, any number of outputs.

    Raises:
        ModelError: a missing, unreadable or unsafe file, no classifier, outputs that do not fit the classes, or no
            usable layer.
        ConfigError: an image size, batch size or class map that does not fit the model, or code of the user that cannot
            be imported or fails.
        PackageError: the framework that the model needs is not installed.
    """
    loaded = _loaded(model, config, class_names)
    if config.torch is not None and not getattr(loaded, "runs_torch", False):
        raise ConfigError(
            f"--torch {config.torch} is for networks of PyTorch, and {name_of(model)} is none", "Leave --torch out."
        )
    return loaded


def _loaded(model: str | Path | Any, config: AuditConfig, class_names: tuple[str, ...] | None) -> Model:
    if isinstance(model, str | Path):
        check_model(model)
        if is_function(model):
            from bias_audit.models.function import imported

            source, made = imported(str(model))
            return _in_memory(made, config, class_names, source)
        with needed(repr(str(model))):
            return _opener(str(model))(str(model), config, class_names)
    return _in_memory(model, config, class_names, None)


# A framework is imported before the clock of the model starts. Loading, tracing and the probe of the head are one call:
# any of them may be where a graph never returns.


def _keras_file(name: str, config: AuditConfig, class_names: tuple[str, ...] | None) -> Model:
    from bias_audit.models.tensorflow.keras_model import KerasModel

    with watched(FIRST_CALL, config.limits.seconds_per_call):
        return KerasModel(Path(name), config, class_names)


def _saved_model(name: str, config: AuditConfig, class_names: tuple[str, ...] | None) -> Model:
    from bias_audit.models.tensorflow.saved_model import SavedModel

    with watched(FIRST_CALL, config.limits.seconds_per_call):
        return SavedModel(Path(name), config, class_names)


def _named(name: str, config: AuditConfig, class_names: tuple[str, ...] | None) -> Model:
    from bias_audit.models.pytorch.named import named

    return named(name, config, class_names)


def _hugging_face(name: str, config: AuditConfig, class_names: tuple[str, ...] | None) -> Model:
    from bias_audit.models.pytorch.hugging_face import hugging_face

    return hugging_face(name, config, class_names)


def _torch_program(name: str, config: AuditConfig, class_names: tuple[str, ...] | None) -> Model:
    from bias_audit.models.pytorch.program import open_program

    return open_program(name, config, class_names)


def _onnx_file(name: str, config: AuditConfig, class_names: tuple[str, ...] | None) -> Model:
    from bias_audit.models.onnx.model import OnnxModel
    from bias_audit.models.onnx.session import runtime

    runtime()
    with watched(FIRST_CALL, config.limits.seconds_per_call):
        return OnnxModel(Path(name), config, class_names)


FILES: dict[str, Opener] = {**dict.fromkeys(KERAS_FILES, _keras_file), ".onnx": _onnx_file}
"""Ending of a file, in small letters -> what opens it."""

FOLDERS: dict[str, Opener] = {"saved_model.pb": _saved_model, CONFIG: _hugging_face}
"""File that a folder must hold to be a model -> what opens the folder."""

LIBRARIES: dict[str, Opener] = {
    "torchscript": _torch_program,
    "torch.export": _torch_program,
    **dict.fromkeys(NETWORKS, _named),
}
"""Beginning of an address, such as "timm" in `timm:NAME@FILE` -> what opens the address."""


def _opener(name: str) -> Opener:
    """What opens a library's network, a file or a folder that `check_model` let pass."""
    if is_address(name):
        return LIBRARIES[name.partition(":")[0]]
    path = Path(name)
    if path.is_dir():
        return FOLDERS[next(each for each in FOLDERS if (path / each).is_file())]
    return FILES[path.suffix.lower()]


def _in_memory(model: Any, config: AuditConfig, class_names: tuple[str, ...] | None, source: Any) -> Model:
    """A model of a model in memory; `source` is the `function.Source` it was imported from, None = none."""
    if is_keras(model):
        with needed("the model"):
            from bias_audit.models.tensorflow.keras_model import KerasModel

        with watched(FIRST_CALL, config.limits.seconds_per_call):
            return KerasModel(model, config, class_names)
    if is_torch(model):
        with needed("the model"):
            from bias_audit.models.pytorch.model import TorchModel

        with watched(FIRST_CALL, config.limits.seconds_per_call):
            return TorchModel(model, config, class_names, source)
    classes, seconds = None if class_names is None else len(class_names), config.limits.seconds_per_call
    made = not isinstance(model, type)  # a class has the attributes of its instances, and makes one
    with running("the model in memory lacks what an audit needs"):  # its properties are code of the user
        whole, predicts = made and isinstance(model, Model), made and isinstance(model, Predictor)
    if whole:
        from bias_audit.models.guarded import Guarded

        if type(model).__module__.startswith(OWN):
            return model  # type: ignore[no-any-return]
        refuse_choice(config.output, name_of(model))
        return _at_layer(Guarded(model, classes, seconds), config)
    if predicts:
        from bias_audit.models.predict_only import Wrapped

        refuse_choice(config.output, name_of(model))
        return _at_layer(Wrapped(model, classes, seconds), config)
    from bias_audit.models.function import from_callable

    return from_callable(model, config, class_names, source, again=_in_memory)


def _at_layer(model: Model, config: AuditConfig) -> Model:
    """A user's object, explained at the layer that was asked for; one that shows none says so."""
    return model if config.layer in ("auto", model.layer) else model.at_layer(config.layer)


def is_keras(model: Any) -> bool:
    """Whether an object is a model of Keras, judged without importing it."""
    packages = {cls.__module__.partition(".")[0] for cls in type(model).__mro__}
    return any(package in KERAS for package in packages) and hasattr(model, "layers")


def is_torch(model: Any) -> bool:
    """Whether an object is a module of PyTorch, judged without importing it."""
    return any((cls.__module__, cls.__name__) == TORCH for cls in type(model).__mro__)


def is_address(model: str | Path) -> bool:
    """Whether a name is an address such as `torchscript:FILE`, and not a path that exists."""
    library, colon, _ = str(model).partition(":")
    return bool(colon) and library in LIBRARIES and not os.path.exists(model)


def is_function(model: str | Path) -> bool:
    """Whether a name is `module:function`, and neither a path that exists nor anything with a folder in it."""
    if is_address(model):
        return False
    module, colon, function = str(model).partition(":")
    dotted = all(part.isidentifier() for part in (*module.split("."), *function.split(".")))
    return bool(colon) and dotted and not os.path.exists(model)


def name_of(model: str | Path | Any) -> str:
    """What a model is called in names of runs: the stem of its path, its address without a folder, or its type."""
    if not isinstance(model, str | Path):
        return str(getattr(model, "name", None) or getattr(model, "__name__", None) or type(model).__name__)
    if is_address(model):
        library, _, rest = str(model).partition(":")
        network, at, _ = rest.partition("@")
        return f"{library}:{network if at else Path(rest).stem}"
    return str(model) if is_function(model) else Path(model).stem


def folder_name(model: str | Path) -> str:
    """The name of a model as a part of the name of a folder: `module-function`, `library-network`, or a path's stem."""
    return name_of(model).replace(":", "-").replace("/", "-")


def check_model(model: str | Path) -> None:
    """Refuse a name that cannot be a model, before seconds are spent on importing a framework.

    Raises:
        ModelError: neither an address of a file, nor `module:function`, nor the path of a file or folder that some
            opener takes.
    """
    if is_function(model):
        return
    if is_address(model) and str(model).partition(":")[0] in NETWORKS:
        address_of(str(model))
        return
    path = Path(str(model).partition(":")[2]) if is_address(model) else Path(model)
    if not os.path.exists(path):
        raise ModelError(
            f"no model at {str(path)!r}{unreachable(path)}",
            "Name a file, a folder, or module:function.",
        )
    if path.is_dir() and not is_address(model):
        _check_folder(path)
    elif not path.is_file():
        raise ModelError(f"{str(path)!r} is not a regular file, so it is no model")
    elif not is_address(model) and path.suffix.lower() not in FILES:
        if path.suffix.lower() in torch_files.SUFFIXES:
            raise ModelError(*torch_files.told(path))
        raise ModelError(
            f"{str(path)!r} is no model: expected .keras, .h5, .onnx or a SavedModel folder, got {path.suffix!r}",
            "Give the folder that holds saved_model.pb."
            if path.name == "saved_model.pb"
            else "Any other model is audited through module:function, which predicts.",
        )


def _check_folder(path: Path) -> None:
    found = next((each for each in FOLDERS if (path / each).is_file()), None)
    if found == CONFIG:
        folder_of(path)
        return
    if found is not None:
        for file in path.rglob("*"):  # TensorFlow would wait for a pipe among its files for ever
            if not (file.is_file() or file.is_dir()) and file.exists():
                raise ModelError(f"{str(file)!r} is not a regular file, so {str(path)!r} is no SavedModel")
        return
    patterns = (*(f"*{suffix}" for suffix in FILES), *(f"*/{marker}" for marker in FOLDERS))
    inside = sorted(each.relative_to(path).as_posix() for pattern in patterns for each in path.glob(pattern))
    near = inside[0] if inside else ""
    for marker in FOLDERS:
        near = near.removesuffix(f"/{marker}")
    raise ModelError(
        f"{str(path)!r} is a folder without saved_model.pb or {CONFIG}, so it is neither a SavedModel nor a model of "
        "Hugging Face",
        f"Did you mean {str(path / near)!r}?" if near else "",
    )
