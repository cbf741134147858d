"""An emulator that runs only some samples: which, and what they are compared with."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from edgecompile.evaluate.outputs import load_outputs, load_samples, save_outputs
from edgecompile.evaluate.steps import measure
from edgecompile.evaluate.subset import LEAST, SECONDS, choose_samples, labels_of


def test_all_samples_are_run_where_half_a_minute_is_enough():
    assert choose_samples(1000, 1000, None, SECONDS / 1000) is None
    assert choose_samples(1000, 1000, None, 0.0) is None


def test_a_slow_emulator_runs_what_half_a_minute_is_enough_for():
    chosen = choose_samples(1000, 1000, None, 1.0)
    assert len(chosen) == SECONDS
    assert (chosen[0], chosen[-1]) == (0, 999)


def test_a_very_slow_emulator_runs_as_few_as_still_tell_something():
    assert len(choose_samples(1000, 1000, None, 60.0)) == LEAST
    assert len(choose_samples(1000, 100, None, 60.0)) == LEAST * 10


@given(
    labels=st.integers(1, 60),
    each=st.integers(1, 5),
    wanted=st.none() | st.integers(1, 400),
    seconds=st.floats(0, 100),
)
def test_the_windows_of_a_recording_stay_together(labels, each, wanted, seconds):
    samples = labels * each
    chosen = choose_samples(samples, labels, wanted, seconds)
    chosen = np.arange(samples) if chosen is None else chosen
    of_sample = np.repeat(np.arange(labels), each)
    kept = labels_of(chosen, samples, np.arange(labels))
    assert len(chosen) % each == 0
    assert (np.diff(chosen) > 0).all()
    assert of_sample[chosen].tolist() == np.repeat(kept, each).tolist()
    if wanted is not None:
        assert len(chosen) <= max(wanted, each)


@pytest.fixture
def files(tmp_path):
    """100 samples of three classes; the outputs before are wrong for every second sample."""
    labels = np.arange(100) % 3
    before = np.eye(3, dtype=np.float32)[labels]
    before[1::2] = np.roll(before[1::2], 1, axis=1)
    np.save(tmp_path / "labels.npy", labels)
    np.save(tmp_path / "samples.npy", np.zeros((100, 2), np.float32))
    save_outputs(tmp_path / "before.npz", [before])
    paths = {name: tmp_path / f"{name}.npy" for name in ("labels", "samples")}
    return tmp_path, paths | {"baseline": tmp_path / "before.npz"}, before


def test_some_samples_are_scored_and_compared_among_themselves(files):
    folder, inputs, before = files
    chosen = np.arange(0, 100, 10)  # all right in the outputs before
    save_outputs(folder / "outputs.npz", [before[chosen]], chosen)
    assert load_samples(folder / "outputs.npz").tolist() == chosen.tolist()
    assert len(load_outputs(folder / "outputs.npz")) == 1
    found = measure(
        {**inputs, "outputs": folder / "outputs.npz"},
        {"metric": "top1", "recipe_folder": str(folder)},
        folder,
    )
    assert (found["samples"], found["all_samples"]) == (10, 100)
    assert (found["metric"], found["before"]) == (1.0, {"baseline": 1.0})
    assert found["agreement"]["baseline"]["sqnr_db"] is None


def test_all_samples_leave_the_metric_before_as_it_was(files):
    folder, inputs, before = files
    save_outputs(folder / "outputs.npz", [before])
    found = measure(
        {**inputs, "outputs": folder / "outputs.npz"},
        {"metric": "top1", "recipe_folder": str(folder)},
        folder,
    )
    assert (found["samples"], found["all_samples"], found["before"]) == (100, 100, {})
    assert found["metric"] == 0.5


def test_a_sample_that_is_not_finite_is_named_by_its_number_among_all(files):
    from edgecompile.errors import ToolchainFailed

    folder, inputs, before = files
    outputs = before[[0, 50]]
    outputs[1] = np.nan
    save_outputs(folder / "outputs.npz", [outputs], np.array([0, 50]))
    with pytest.raises(ToolchainFailed, match="sample 50"):
        measure(
            {**inputs, "outputs": folder / "outputs.npz"},
            {"metric": "top1", "recipe_folder": str(folder)},
            folder,
        )
