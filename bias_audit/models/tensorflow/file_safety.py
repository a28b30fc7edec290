"""Checks the configuration of a Keras file: it may build known classes and call known functions, and nothing else.

A configuration is a program: it names classes that Keras builds and functions that they call. Keras checks little of
it, and how much depends on the version of Keras. So each object of a configuration is checked against `allowed_names`,
whichever Keras reads the file afterwards.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from bias_audit.errors import ModelError
from bias_audit.models.tensorflow.allowed_names import (
    ACTIVATIONS,
    CLASS_MODULES,
    CLASSES,
    CONSTRAINTS,
    FUNCTION_MODULES,
    FUNCTIONS,
    INITIALIZERS,
    LOOKUPS,
    OPERATIONS,
    REGULARIZERS,
    TENSOR_FUNCTIONS,
)

IN_PYTHON = "Load the model in Python yourself and call bias_audit.audit(model, data)."


@dataclass(frozen=True)
class Source:
    """A Keras file to check, and the names that the user adds to those of Keras.

    Attributes:
        path: path of the file.
        knows: name -> whether the user's own code defines or registers it. That code runs anyway, so a file may ask
            for it.
        custom_objects: the module that the user named, or None.
    """

    path: Path
    knows: Callable[[str], bool]
    custom_objects: str | None

    def refused(self, what: str, hint: str = IN_PYTHON) -> ModelError:
        """The error for a file that cannot be loaded; `what` is the reason."""
        return ModelError(f"cannot load the model {str(self.path)!r}: {what}", hint)

    def unknown(self, name: str) -> ModelError:
        """The error for the name of a class or function that neither Keras nor the user's code has."""
        where = "not known here" if self.custom_objects is None else f"not in the module {self.custom_objects!r} either"
        return self.refused(
            f"it needs the custom object {_shown(name)!r}, which is {where}",
            "Name the module that defines it with --custom-objects MODULE, "
            "or load the model in Python and call bias_audit.audit(model, data).",
        )

    def code(self) -> ModelError:
        """The error for code in a file."""
        return self.refused(
            "it holds a Lambda layer, whose code Keras would have to run", f"Keras safe mode stays on. {IN_PYTHON}"
        )


VALUES = (
    "TensorShape", "__bytes__", "__ellipsis__", "__keras_tensor__", "__numpy__", "__slice__", "__tensor__", "__tuple__",
)  # fmt: skip
"""Values that JSON lacks and Keras writes like objects; their content is checked like all other parts."""

KERAS = ("keras", "tf_keras")
COMPUTING = "known to compute and do nothing else"

CALLERS = ("TFOpLambda", "SlicingOpLambda")
"""Layers of Keras 2 that call a TensorFlow function by its name."""

GRAPH_PIECE = "TensorFlowOpLayer"
"""Keras 2's layer around a piece of a graph."""

SAVED_MODEL = "TFSMLayer"
"""Keras 3's layer around a SavedModel."""

REACHING = {
    "ClassMethod": "calls any method of a TensorFlow class",
    "DenseFeatures": "may read vocabulary files",
    "FlaxLayer": "runs code that the file holds",
    "InstanceMethod": "calls any method of a tensor",
    "InstanceProperty": "reads any property of a tensor",
    "JaxLayer": "runs code that the file holds",
    "SequenceFeatures": "may read vocabulary files",
    SAVED_MODEL: "loads another model by its path",
    "TorchModuleWrapper": "runs code that the file holds",
    "__lambda__": "is code that Keras would have to run",
    "__typespec__": "names any class of any module",
}
"""Classes that are refused in every file, even where the user has a class of the same name -> the reason."""

HUB_MODULE = re.compile(r"keras_hub\.src\.models\.[a-z0-9_]+\.[a-z0-9_]+")
HUB_CLASSES = ("Backbone", "ImageClassifier", "ImageClassifierPreprocessor", "ImageConverter")
"""Ends of the names of allowed classes of KerasHub.

Such classes are built from numbers, strings and one another; weights come from the file, and presets are fetched by
from_preset only. Tokenizers are not allowed, since they take paths of vocabularies.
"""

NAMED = (
    ("activation", ACTIVATIONS),
    ("initializer", INITIALIZERS),
    ("regularizer", REGULARIZERS),
    ("constraint", CONSTRAINTS),
)
"""(end of a setting's key, strings that are allowed as its value).

Under such keys, for instance recurrent_activation, Keras looks a plain string up among all names of one of its modules.
Under other keys a string can do little: as a layer ("cell": "LSTMCell") it builds a Keras class without arguments, and
classes that reach beyond the model need arguments; the name of a custom object gives what the user registered.
"""


def check_configuration(source: Source, content: Any) -> None:
    """Refuse a configuration that names more than known classes and functions, before anything is built.

    Args:
        source: the file, and the names that the user adds to the known names.
        content: the file's configuration as JSON values.

    Raises:
        ModelError: code, an unknown class, or a function that may do more than compute.
    """
    if not isinstance(content, dict):
        raise source.refused("its configuration is no JSON object", "")
    own_words: set[int] = set()
    for part in _objects(content):
        if "class_name" in part and _check_object(source, part):
            own_words.add(id(part.get("config")))
        for key, value in part.items():
            if not isinstance(value, str):
                continue
            if key == "name" and (value.startswith("/") or ".." in re.split(r"[/\\]", value)):
                raise source.refused(f"it names a part {_shown(value)!r}, as if that were a path")
            for ending, allowed in NAMED if id(part) not in own_words else ():
                named = key == ending or key.endswith("_" + ending)
                if named and value not in allowed and not source.knows(value):
                    raise source.unknown(value)


def _objects(content: Any) -> Iterator[dict[str, Any]]:
    """Every JSON object of a configuration, at any depth; an object comes before the objects inside it."""
    waiting = [content]
    while waiting:
        part = waiting.pop()
        if isinstance(part, dict):
            yield part
            waiting.extend(part.values())
        elif isinstance(part, list):
            waiting.extend(part)


def _check_object(source: Source, part: dict[str, Any]) -> bool:
    """Check one object {class_name, config, module, registered_name}: each of its names must be harmless.

    Keras looks up registered_name, or class_name where there is none, among registered classes, and then class_name in
    the module; in files of Keras 2, class_name alone. Which name counts depends on version and format, so all must
    pass.

    Returns:
        Whether the class is the user's or one of KerasHub. Such a class gives the strings of its settings a meaning of
        its own, so they are not checked against NAMED.

    Raises:
        ModelError: a name that is not known to be harmless.
    """
    name, settings = part["class_name"], part.get("config")
    module, registered = part.get("module"), part.get("registered_name", part["class_name"])
    if not isinstance(name, str) or not isinstance(module, str | None) or not isinstance(registered, str | None):
        raise source.refused("its configuration names a class by something else than a text")
    if name in VALUES and module is None and registered in (None, name):  # not every Keras takes all as values
        return False
    if name == "function":
        _check_function(source, settings, module, registered)
        return False
    if not _is_special(source, name, settings):
        if registered is not None and source.knows(registered):  # the user's, whatever the module says
            if name not in CLASSES and not source.knows(name) and registered.rpartition(">")[2] != name:
                raise source.unknown(name)
            return True
        if _of_hub(name, module, registered):
            return True
        if name not in CLASSES:
            raise _not_known(source, name, module)
    if registered is not None and registered != name and registered not in CLASSES:
        raise source.unknown(registered)
    if module is not None and _home(module) not in CLASS_MODULES:
        raise _not_known(source, name, module)
    return False


def _is_special(source: Source, name: str, settings: Any) -> bool:
    """Check a class that is refused in any case, or whose settings decide whether it is harmless.

    Returns:
        True for a class whose settings were checked here, False for any other class.

    Raises:
        ModelError: the class, or one of its settings, reaches beyond the model.
    """
    if name == "__lambda__":
        raise source.code()
    if name in REACHING:
        hint = f"Audit the folder of that SavedModel instead, or l{IN_PYTHON[1:]}" if name == SAVED_MODEL else IN_PYTHON
        raise source.refused(f"it holds a part of the class {name}, which {REACHING[name]}", hint)
    if name == "Lambda":
        _check_lambda(source, settings)
    elif name in CALLERS:
        symbol = _setting(settings, "function")
        if not isinstance(symbol, str) or symbol.removeprefix("compat.v1.") not in TENSOR_FUNCTIONS:
            raise source.refused(f"it calls the function tf.{_shown(symbol)}, which is not among those {COMPUTING}")
    elif name == GRAPH_PIECE:
        operation = _setting(_setting(settings, "node_def"), "op")
        if not isinstance(operation, str) or operation not in OPERATIONS:
            raise source.refused(f"it holds the operation {_shown(operation)}, which is not among those {COMPUTING}")
    elif name in LOOKUPS:
        vocabulary = _setting(settings, "vocabulary")
        if vocabulary is not None and not isinstance(vocabulary, list):
            raise source.refused(f"its layer {name} reads its vocabulary from another file, {_shown(vocabulary)!r}")
    else:
        return False
    return True


def _check_lambda(source: Source, settings: Any) -> None:
    """Check a Lambda layer: it may hold the name of a function of the user's, but no code.

    Keras 2 keeps code as function_type "lambda" and a list, Keras 3 as an object "__lambda__"; output shape and mask
    are kept in the same way. A function that is neither a name nor an object of the class "function" counts as code.
    """
    if not isinstance(settings, dict) or "lambda" in (
        settings.get(key) for key in ("function_type", "output_shape_type", "mask_type")
    ):
        raise source.code()
    function = settings.get("function")
    if isinstance(function, str) and settings.get("function_type") == "function":
        if not source.knows(function):
            raise source.unknown(function)
    elif _setting(function, "class_name") != "function":
        raise source.code()
    for key in ("output_shape", "mask"):
        if isinstance(value := settings.get(key), str) and not source.knows(value):
            raise source.unknown(value)


def _check_function(source: Source, name: Any, module: str | None, registered: str | None) -> None:
    if not isinstance(name, str):
        raise source.refused("its configuration names a function by something else than a text")
    if source.knows(name):
        return
    plain = registered in (None, "function", name)  # "function": the object has no registered_name
    if name in FUNCTIONS and plain and module is not None and _home(module) in FUNCTION_MODULES:
        return
    if module is not None and module.partition(".")[0] in KERAS:
        raise source.refused(
            f"it names the function {_shown(module)}.{_shown(name)}, which is not among those {COMPUTING}"
        )
    raise source.unknown(name)


def _of_hub(name: str, module: str | None, registered: str | None) -> bool:
    return (
        module is not None
        and HUB_MODULE.fullmatch(module) is not None
        and name.endswith(HUB_CLASSES)
        and registered in (None, name, f"keras_hub>{name}")
    )


def _home(module: str) -> str:
    return module.removeprefix("tf_") if module.startswith("tf_keras") else module


def _not_known(source: Source, name: str, module: str | None) -> ModelError:
    if module is not None and module.partition(".")[0] in KERAS:
        return source.refused(
            f"it holds the class {_shown(module)}.{_shown(name)}, which is not among those {COMPUTING}"
        )
    return source.unknown(name)


def _setting(settings: Any, key: str) -> Any:
    return settings.get(key) if isinstance(settings, dict) else None


def _shown(name: Any) -> str:
    """A name out of a file, fit for one line of a message."""
    return " ".join(str(name).split())[:80]
