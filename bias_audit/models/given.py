"""Predictions that were made elsewhere, in the place of a model: what a table says of each picture."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from bias_audit.data.prediction_table import TOLERANCE, PredictionTable
from bias_audit.errors import ModelError
from bias_audit.models.base import Array, Predictions, joined, part_of
from bias_audit.models.head import Arrays, Head
from bias_audit.models.predict_only import PredictOnly
from bias_audit.run.statuses import GIVEN

NO_MODEL = "predictions were given and no model, so nobody answers to pictures that no table holds"
"""Why an experiment with pictures of its own was not made, as the end of a sentence."""

AT_ONCE = 20_000
"""Rows of a table whose log-odds are computed at once: some copies of them are held."""


class Answers:
    """Predictions by image id.

    Args:
        table: the table of predictions.

    Attributes:
        sha256: SHA-256 of the file.
    """

    def __init__(self, table: PredictionTable) -> None:
        self.sha256 = table.sha256
        self._rows: Mapping[str, int] = table.rows
        nothing = np.full((1, table.probabilities.shape[1]), np.nan)
        self._all = predictions_from(np.concatenate([table.probabilities, nothing]))  # the last: of no row

    def knows(self, image_id: str) -> bool:
        """Whether the table has a row for a picture, be it without numbers."""
        return image_id in self._rows

    def of(self, ids: Sequence[str]) -> Predictions:
        """Predictions for pictures, NaN and so not valid for those without a row."""
        return part_of(self._all, np.array([self._rows.get(each, -1) for each in ids], np.intp))


def predictions_from(probabilities: NDArray[np.float64]) -> Predictions:
    """Predictions from probabilities alone.

    What is missing to 1 counts as one other output, by which the classes are outdone where it is at least as probable
    as the most probable of them. Where no row lacks more than rounding, there is no such output.

    Args:
        probabilities: (n, K) in [0, 1], n at least 1; NaN in rows that are no prediction.
    """
    parts = [_of_rows(probabilities[start : start + AT_ONCE]) for start in range(0, len(probabilities), AT_ONCE)]
    said = joined(parts)
    return said if np.nanmax(said.other, initial=0.0) > 0 else replace(said, outdone=None)


def _of_rows(probabilities: NDArray[np.float64]) -> Predictions:
    """Predictions of a softmax over the classes and the other output."""
    classes = probabilities.shape[1]
    missing = 1 - probabilities.sum(axis=1)
    other = np.where(missing > TOLERANCE, missing, np.where(np.isnan(missing), np.nan, 0.0))
    head = Head("softmax", classes + 1, tuple((place,) for place in range(classes + 1)))
    with np.errstate(invalid="ignore"):  # rows that are no prediction
        return Predictions(*head.read(np.column_stack([probabilities, other]), None, Arrays))


class NoModel(PredictOnly):
    """Stands where a model would, with what a run keeps of one; it answers to nothing, see `models.base.Model`.

    Args:
        input_size: (height, width, channels) at which photos are read.
        batch_size: photos that are read at once.
        sha256: SHA-256 of the table of predictions.
        notes: sentences that a reader of the result should know.
    """

    head, outputs = GIVEN, 0

    def __init__(
        self, input_size: tuple[int, int, int], batch_size: int, sha256: str, notes: tuple[str, ...] = ()
    ) -> None:
        self.input_size, self.batch_size, self.sha256, self.notes = input_size, batch_size, sha256, notes

    def _batch(self, images: Array) -> Predictions:
        """Nothing.

        Raises:
            ModelError: always. A check of another package may ask; those of this one look whether there is a model
                (`Given.results`).
        """
        raise ModelError(
            "an installed check asks the model for predictions or heatmaps of its own, and there is none",
            "Audit the model, or leave the package out that brings the check.",
        )
