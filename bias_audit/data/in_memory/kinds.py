"""Finds out what an object is that holds photos. A new kind is a function in a file here, and one line in KINDS."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from bias_audit.data.in_memory.arrays import is_arrays, read_arrays
from bias_audit.data.in_memory.frame import is_frame, read_frame
from bias_audit.data.in_memory.hugging_face import is_hugging_face, read_hugging_face
from bias_audit.data.in_memory.pairs import is_pairs, read_pairs
from bias_audit.data.in_memory.photos import Asked, Photos
from bias_audit.data.in_memory.tensorflow_data import is_tf_data, read_tf_data
from bias_audit.data.in_memory.torch_data import is_torch_data, read_torch_data
from bias_audit.errors import DataError


@dataclass(frozen=True)
class Kind:
    """A kind of object that holds photos.

    Attributes:
        told: what it is, as people say it.
        recognises: whether an object is one, told without importing what it is of.
        read: its photos; raises DataError.
    """

    told: str
    recognises: Callable[[Any], bool]
    read: Callable[[Any, Asked], Photos]


KINDS: dict[str, Kind] = {
    "dataframe": Kind("a pandas DataFrame", is_frame, read_frame),
    "datasets": Kind("a datasets.Dataset of Hugging Face", is_hugging_face, read_hugging_face),
    "tf-data": Kind("a tf.data.Dataset", is_tf_data, read_tf_data),
    "torch": Kind("a Dataset or DataLoader of PyTorch", is_torch_data, read_torch_data),
    "arrays": Kind("arrays (images, labels)", is_arrays, read_arrays),
    "list": Kind("a list of (path, label)", is_pairs, read_pairs),
}
"""Kinds by name, with which the name of their list on disk begins; the first that recognises an object reads it."""


def kind_of(data: Any) -> str:
    """Name of the kind of an object.

    Raises:
        DataError: it is of none.
    """
    for name, kind in KINDS.items():
        if kind.recognises(data):
            return name
    told = ", ".join(kind.told for kind in KINDS.values())
    raise DataError(
        f"data are a path or {told}; got {type(data).__name__}",
        "Images without labels are no test set: give (images, labels)." if hasattr(data, "shape") else "",
    )
