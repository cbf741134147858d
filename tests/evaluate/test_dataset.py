"""Data that are wrong are refused before anything slow, with one message."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from edgecompile.evaluate.dataset import prepare_split, spread
from tests.conftest import TINY_RECIPE, samples, write_tiny

INPUTS, LABELS = samples(0, 8).values()


@pytest.fixture
def refused(edgecompile, tiny):
    """The message of a build whose data were replaced; it must stop at the data."""

    def call(split: str = "calibration", **arrays) -> str:
        file = {"calibration": "calib.npz", "evaluation": "eval.npz"}[split]
        if arrays:
            np.savez(tiny / file, **arrays)
        result = edgecompile("build", "tiny", "-q", "--format", "json")
        assert result.exit_code == 2
        statuses = result.statuses()
        assert statuses[f"data[{split}]"] == "failed"
        others = {status for name, status in statuses.items() if not name.startswith("data")}
        assert others <= {"skipped", "cached"}  # nothing was carried out
        return result.stderr

    return call


def changed(index: int, value: float) -> np.ndarray:
    array = INPUTS.copy()
    array[index, 2] = value
    return array


@pytest.mark.parametrize("split", ["calibration", "evaluation"])
@pytest.mark.parametrize(
    ("inputs", "message"),
    [
        pytest.param(
            INPUTS[:, :3],
            "error: the {split} data have the shape [8, 3], the model takes [samples, 4]\n"
            "help: model.input.shape is [1, *sample shape]; data.prepare may reshape them\n",
            id="shape",
        ),
        pytest.param(
            INPUTS[0],
            "error: the {split} data have the shape [4], the model takes [samples, 4]\n"
            "help: model.input.shape is [1, *sample shape]; data.prepare may reshape them\n",
            id="no-samples-axis",
        ),
        pytest.param(
            INPUTS.astype(np.float64),
            "error: the {split} data have dtype float64, the model takes float32\n"
            "help: name a function in data.prepare that converts and normalizes them\n",
            id="float64",
        ),
        pytest.param(
            (INPUTS * 9).astype(np.uint8),
            "error: the {split} data have dtype uint8, the model takes float32\n"
            "help: name a function in data.prepare that converts and normalizes them\n",
            id="uint8",
        ),
        pytest.param(
            changed(5, np.nan),
            "error: the {split} data hold NaN or infinity, first in sample 5\n",
            id="nan",
        ),
        pytest.param(
            changed(0, -np.inf),
            "error: the {split} data hold NaN or infinity, first in sample 0\n",
            id="infinity",
        ),
        pytest.param(INPUTS[:0], "error: the {split} data hold no samples\n", id="empty"),
    ],
)
def test_inputs_that_the_model_cannot_take_are_refused(refused, split, inputs, message):
    assert refused(split, inputs=inputs, labels=LABELS) == message.format(split=split)


@pytest.mark.parametrize(
    ("labels", "message"),
    [
        (LABELS[:5], "error: the calibration data hold 8 samples and 5 labels\n"),
        (np.int64(3), "error: the calibration data hold 8 samples and no labels\n"),
        (
            np.array(["cat"] * 8),
            "error: the labels of the calibration data have dtype <U3: they must be numbers\n",
        ),
    ],
)
def test_labels_that_do_not_belong_to_the_samples_are_refused(refused, labels, message):
    assert refused(inputs=INPUTS, labels=labels) == message


def test_an_array_of_another_name_is_told_with_those_that_are_there(refused):
    assert refused(x=INPUTS, labels=LABELS) == (
        "error: the calibration data in calib.npz hold no array named 'inputs'; "
        "there are: x, labels\n"
    )


NOT_PLAIN = (
    "error: the calibration data in calib.npz are not an .npz of plain arrays\n"
    "help: write them with numpy.savez(file, inputs=..., labels=...)\n"
)


class Bomb:
    def __reduce__(self):
        return open, ("the-code-ran", "w")


def test_an_array_of_objects_is_refused_and_not_unpickled(refused, tmp_path):
    objects = np.array([Bomb()] * 8, dtype=object)
    assert refused(inputs=INPUTS, labels=objects) == NOT_PLAIN
    assert not (tmp_path / "the-code-ran").exists()


@pytest.mark.parametrize("kind", ["text", "nothing", "npy", "truncated", "flipped"])
def test_a_file_that_is_no_archive_is_refused(refused, tiny, kind):
    path = tiny / "calib.npz"
    whole = path.read_bytes()
    if kind == "npy":
        with path.open("wb") as file:
            np.save(file, INPUTS)
    elif kind == "flipped":  # inside the first array: the archive's checksum finds it
        path.write_bytes(whole[:300] + bytes([whole[300] ^ 1]) + whole[301:])
    else:
        path.write_bytes({"text": b"a,b\n1,2\n", "nothing": b"", "truncated": whole[:-30]}[kind])
    assert refused() == NOT_PLAIN


PREPARING = TINY_RECIPE.replace("eval.npz", "eval.npz\n  prepare: model.py:prepare")
BUILD = "from torch import nn\n\n\ndef build():\n    return nn.Linear(4, 3)\n\n\n"


def test_an_exception_in_prepare_names_the_line(edgecompile, tmp_path):
    model = f"{BUILD}def prepare(inputs):\n    return inputs.cuda()\n"
    write_tiny(tmp_path / "tiny", model=model, recipe=PREPARING)
    result = edgecompile("build", "tiny", "-q")
    assert (result.exit_code, result.stderr) == (
        2,
        "error: model.py:prepare failed on the evaluation data: AttributeError: "
        "'numpy.ndarray' object has no attribute 'cuda'\n"
        "  --> model.py:9\n"
        " 9 |     return inputs.cuda()\n",
    )


def test_data_of_a_function_must_be_inputs_and_labels(edgecompile, tmp_path):
    model = f"{BUILD}def data():\n    return [1, 2, 3]\n"
    recipe = TINY_RECIPE.replace("eval.npz", "model.py:data")
    write_tiny(tmp_path / "tiny", model=model, recipe=recipe)
    result = edgecompile("build", "tiny", "-q")
    assert (result.exit_code, result.stderr) == (
        2,
        "error: model.py:data returned list: the evaluation data are two arrays, "
        "inputs and labels\n",
    )


def prepared(folder, model: str, **parameters):
    folder.mkdir()
    (folder / "model.py").write_text(model)
    wanted = {"split": "evaluation", "shape": [1, 4], "prepare": None, **parameters}
    prepare_split({}, {**wanted, "recipe_folder": str(folder)}, folder)
    return np.load(folder / "samples.npy"), np.load(folder / "labels.npy")


@pytest.mark.parametrize(
    "returned",
    [
        "torch.ones(5, 4).requires_grad_(), torch.arange(5)",
        "np.ones((5, 4), np.float32), list(range(5))",
        "np.ones((4, 5), np.float32).T, np.arange(10)[::2] // 2",
    ],
)
def test_tensors_lists_and_strided_arrays_are_data(tmp_path, returned):
    model = f"import numpy as np\nimport torch\n\n\ndef data():\n    return {returned}\n"
    found, labels = prepared(tmp_path / "recipe", model, function="model.py:data")
    assert found.dtype == np.float32 and found.flags.c_contiguous
    np.testing.assert_array_equal(found, np.ones((5, 4)))
    np.testing.assert_array_equal(labels, np.arange(5))


def test_labels_of_several_axes_are_stored_as_they_are(tmp_path):
    model = (
        "import numpy as np\n\n\ndef data():\n"
        "    return np.ones((2, 4), np.float32), np.arange(12).reshape(3, 2, 2).T\n"
    )
    _, labels = prepared(tmp_path / "recipe", model, function="model.py:data")
    np.testing.assert_array_equal(labels, np.arange(12).reshape(3, 2, 2).T)


@given(count=st.integers(1, 500), wanted=st.integers(1, 600))
def test_calibration_samples_are_spread_over_all_the_data(count, wanted):
    chosen = spread(count, wanted)
    assert len(chosen) == min(count, wanted)
    assert chosen[0] == 0 and (np.diff(chosen) > 0).all()
    if len(chosen) > 1:
        assert chosen[-1] == count - 1
        assert np.diff(chosen).max() - np.diff(chosen).min() <= 1
