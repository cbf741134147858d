"""`edgecompile verify --rebuild`: the first step that gives something else is named."""

from __future__ import annotations

import asyncio
import copy
import json
from pathlib import Path

import pytest

from edgecompile.build.build import BuildOptions
from edgecompile.build.cache import Cache
from edgecompile.build.execute import Execution
from edgecompile.build.workers import LocalWorkers
from edgecompile.recipe.load import load_recipe
from edgecompile.release.rebuild import differing, rebuild
from edgecompile.report.html.pages import make_pages


def step(manifest, name):
    return next(entry for entry in manifest["lineage"] if entry["step"] == name)


@pytest.fixture
def manifest(built):
    return json.loads((built / "manifest.json").read_bytes())


def test_the_same_recipe_gives_the_same_and_other_options_do_not(
    built, tiny, shared_cache, tmp_path
):
    def again(*overrides: str) -> list[str]:
        loaded = load_recipe(str(tiny), overrides)
        options = BuildOptions(Path("again"), Cache(shared_cache), make_pages)

        async def anew() -> dict[Path, list[str]]:
            async with LocalWorkers(tmp_path) as workers:
                return await rebuild(built, loaded, options, Execution(workers), lambda *_: None)

        return asyncio.run(anew())[built]

    assert again() == []
    other = again("stages.quantize.calibration_samples=32")
    assert other[0].startswith("first step that differs: quantize[affine] (its ")
    assert "model.onnx differs" in other


def test_the_first_of_several_steps_is_blamed(manifest):
    other = copy.deepcopy(manifest)
    for name, file in (("lower[cpu-onnxruntime]", "model.onnx"), ("simplify", "hub.onnx")):
        step(other, name)["files"][file] = "0" * 64
    step(other, "quantize[affine]")["key"] = "0" * 64
    assert next(differing(manifest, other)) == (
        "first step that differs: simplify (its hub.onnx), from the same code and inputs: "
        "it is not reproducible"
    )


def test_a_step_with_another_key_and_the_same_product_is_named(manifest):
    other = copy.deepcopy(manifest)
    step(other, "export")["key"] = "0" * 64
    (said,) = differing(manifest, other)
    assert said.startswith("first step that differs: export, not in its files but ")


def test_rebuild_needs_a_recipe_and_that_of_the_model(built, edgecompile):
    assert "go together" in edgecompile("verify", built, "--rebuild").stderr
    result = edgecompile("verify", built, "--rebuild", "-r", "digits_cnn")
    assert result.exit_code == 2
    assert "is of the model tiny" in result.stderr


@pytest.mark.full
def test_a_rebuild_without_a_cache_gives_the_same_bytes(built, tiny, edgecompile):
    result = edgecompile("verify", "dist", "--rebuild", "-r", tiny)
    assert result.exit_code == 0, result.stderr
    assert "built again with the same bytes" in result.stdout
