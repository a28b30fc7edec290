"""Tables of predictions: what is taken, and what is refused in one sentence with file and row."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from bias_audit.data.prediction_table import read_predictions
from bias_audit.errors import DataError
from bias_audit.limits.bounds import Limits

NAMES = ("husky", "wolf")
PHOTOS = ("husky/0.jpg", "husky/1.jpg", "wolf/0.jpg", "=wolf/1.jpg")


def read(file: Path, names=NAMES, limits=Limits()):  # noqa: B008
    return read_predictions(file, names, lambda name: name if name in PHOTOS else "", limits, "what to do")


def written(tmp_path: Path, text: str) -> Path:
    file = tmp_path / "p.csv"
    file.write_text(text)
    return file


def refused(tmp_path: Path, text: str) -> str:
    file = written(tmp_path, text)
    with pytest.raises(DataError) as told:
        read(file)
    assert str(file) in told.value.message
    return told.value.message


def test_rows_and_columns_in_any_order_and_further_columns(tmp_path):
    text = "wolf,note,image_id,husky\n0.25,x,wolf/0.jpg,0.75\n1,y,husky/0.jpg,0\n"
    table = read(written(tmp_path, text))
    assert table.rows == {"wolf/0.jpg": 0, "husky/0.jpg": 1}
    assert table.probabilities.tolist() == [[0.75, 0.25], [0, 1]]
    assert len(table.sha256) == 64


@pytest.mark.parametrize("kind", ["float64", "float32", "float16", "int64"])
def test_parquet_of_any_kind_of_number(tmp_path, kind):
    frame = pd.DataFrame({"image_id": ["husky/0.jpg", "wolf/0.jpg"], "husky": [1, 0], "wolf": [0, 1]})
    file = tmp_path / "p.parquet"
    frame.astype({"husky": kind, "wolf": kind}).to_parquet(file, index=False)
    assert read(file).probabilities.tolist() == [[1, 0], [0, 1]]


def test_a_cell_without_a_number_is_a_row_without_a_prediction(tmp_path):
    table = read(written(tmp_path, "image_id,husky,wolf\nhusky/0.jpg,,1\nhusky/1.jpg,nan,0\nwolf/0.jpg,0,1\n"))
    assert np.isnan(table.probabilities).all(axis=1).tolist() == [True, True, False]


def test_rounding_is_taken_and_cut(tmp_path):
    table = read(written(tmp_path, "image_id,husky,wolf\nhusky/0.jpg,1.0004,-0.0004\n"))
    assert table.probabilities.tolist() == [[1, 0]]


def test_an_id_that_a_spreadsheet_would_compute_is_found_as_our_own_files_write_it(tmp_path):
    table = read(written(tmp_path, "image_id,husky,wolf\n'=wolf/1.jpg,1,0\n"))
    assert table.rows == {"=wolf/1.jpg": 0}


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("image_id,husky\nhusky/0.jpg,1\n", "has no column 'wolf'; it has 'image_id', 'husky'"),
        ("name,husky,wolf\nhusky/0.jpg,1,0\n", "has no column 'image_id'"),
        ("image_id,husky,wolf\n", "has no rows"),
        ("image_id,husky,wolf\nhusky/0.jpg,1,0\n,1,0\n", "row 3: no image_id"),
        ("image_id,husky,wolf\nhusky/0.jpg,1,0\nfox/0.jpg,1,0\n", "row 3: 'fox/0.jpg' is no picture of this audit"),
        ("image_id,husky,wolf\nhusky/0.jpg,1,0\nhusky/1.jpg,1,0\nhusky/0.jpg,1,0\n",
         "row 4: a second row for 'husky/0.jpg'; the first is row 2"),
        ("image_id,husky,wolf\nhusky/0.jpg,1,0\nwolf/0.jpg,-3.2,0\n",
         "row 3: -3.2 for 'wolf/0.jpg' and 'husky' is no probability"),
        ("image_id,husky,wolf\nhusky/0.jpg,0,87\n", "row 2: 87 for 'husky/0.jpg' and 'wolf' is no probability"),
        ("image_id,husky,wolf\nhusky/0.jpg,0,inf\n", "row 2: inf for 'husky/0.jpg' and 'wolf' is no probability"),
        ("image_id,husky,wolf\nhusky/0.jpg,0.7,0.6\n", "row 2: the probabilities for 'husky/0.jpg' add up to 1.3"),
        ("image_id,husky,wolf\nhusky/0.jpg,sure,0\n", "sure"),
        ("image_id,husky,wolf,wolf\nhusky/0.jpg,1,0,0\n", "more than one column 'wolf'"),
    ],
)  # fmt: skip
def test_one_sentence_with_file_and_row(tmp_path, text, said):
    assert said in refused(tmp_path, text)


def test_a_column_of_text_in_parquet(tmp_path):
    file = tmp_path / "p.parquet"
    pd.DataFrame({"image_id": ["husky/0.jpg"], "husky": ["1"], "wolf": [0.0]}).to_parquet(file, index=False)
    with pytest.raises(DataError, match=r"the column 'husky' of .* holds no probabilities"):
        read(file)


@pytest.mark.parametrize("suffix", ["csv", "parquet"])
def test_columns_of_classes_do_not_count_and_others_do(tmp_path, suffix):
    names = tuple(f"class {number}" for number in range(40))
    frame = pd.DataFrame({"image_id": ["husky/0.jpg"], **dict.fromkeys(names, 0.025), "a": 1, "b": 2})
    file = tmp_path / f"p.{suffix}"
    getattr(frame, f"to_{suffix}")(file, index=False)
    assert read(file, names, Limits(columns=3)).probabilities.shape == (1, 40)
    with pytest.raises(DataError, match="3 columns, beyond the limit columns of 2"):
        read(file, names, Limits(columns=2))


def test_a_class_called_image_id(tmp_path):
    with pytest.raises(DataError, match="a class of the data is called 'image_id'"):
        read(written(tmp_path, "image_id,wolf\nhusky/0.jpg,1\n"), ("image_id", "wolf"))
