"""The pages of the documentation: their commands run, their links lead somewhere, their tables of
operators are those that the backends use.

`python -m tests.test_docs` writes these tables anew, with names of backends also what
`edgecompile conformance` says of them, which takes minutes each.
"""

from __future__ import annotations

import os
import re
import shlex
import subprocess
import sys
import textwrap
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from edgecompile.backends.coreml.operators import OPERATORS as COREML_OPERATORS
from edgecompile.backends.edgetpu.rules import RULES
from edgecompile.backends.riscv.generator.operators.table import OPERATORS as RISCV_OPERATORS
from edgecompile.backends.riscv.probe import probe as emulators
from edgecompile.formats.tflite.operators import OPERATORS
from tests.conftest import Result, command

REPOSITORY = Path(__file__).resolve().parents[1]
PAGES = [REPOSITORY / "README.md", *sorted((REPOSITORY / "docs").rglob("*.md"))]
COREML_PAGE = REPOSITORY / "docs/backends/coreml.md"


def _name(page: Path) -> str:
    return page.relative_to(REPOSITORY).as_posix()


def _blocks(page: Path, language: str) -> list[str]:
    return re.findall(rf"^```{language}\n(.*?)^```", page.read_text(), re.DOTALL | re.MULTILINE)


def _commands(page: Path) -> list[list[str]]:
    lines = [line for block in _blocks(page, "sh") for line in block.splitlines()]
    return [
        shlex.split(line.partition(" > ")[0])[1:]
        for line in lines
        if line.startswith("edgecompile ")
    ]


def _page(page: Path) -> Any:
    """Pages whose commands emulate a device: tests/e2e builds the same for it in CI."""
    emulates = page.stem in {"loihi", "riscv", "speck"}
    return pytest.param(page, marks=pytest.mark.full) if emulates else page


@pytest.mark.parametrize("page", [_page(p) for p in PAGES if _commands(p)], ids=_name)
def test_the_commands_of_a_page_run_in_its_order(page, edgecompile):
    if page.stem == "riscv" and not emulators().available:
        pytest.skip("QEMU is no Python package: not on every machine that tests")
    for block in _blocks(page, "yaml"):
        named = re.match(r"# ([\w-]+/[\w-]+\.yaml|edge\.yaml)\n", block)
        if named:
            Path(named[1]).parent.mkdir(exist_ok=True)
            Path(named[1]).write_text(block)
    for arguments in _commands(page):
        result = edgecompile(*arguments)
        assert result.exit_code == 0, f"{' '.join(arguments)}\n{result.stdout}{result.stderr}"


@pytest.mark.parametrize("page", PAGES, ids=_name)
def test_the_links_of_a_page_lead_somewhere(page):
    for target in re.findall(r"\]\(([^)#]+)[^)]*\)", page.read_text()):
        if "://" not in target:
            assert (page.parent / target).exists(), target


def test_the_pages_make_a_site_without_a_broken_link_that_needs_no_network(tmp_path):
    done = subprocess.run(
        [sys.executable, "-m", "mkdocs", "build", "--strict", "--quiet", "-d", tmp_path / "site"],
        cwd=REPOSITORY,
        env={**os.environ, "NO_MKDOCS_2_WARNING": "1"},
        capture_output=True,
        text=True,
        check=False,
    )
    assert (done.returncode, done.stdout, done.stderr) == (0, "", "")
    pages = {file.stem: file.read_text() for file in (tmp_path / "site").rglob("*.html")}
    assert set(pages) == {"404", *(page.stem for page in PAGES if page.name != "README.md")}
    for name, text in pages.items():
        loaded = re.findall(r"<(?:script|link|img|iframe)\b[^>]*", text)
        assert [tag for tag in loaded if "//" in tag] == [], name


def operator_table() -> str:
    """The operators that are written to TFLite, by the table that the emitter reads."""
    rows = ["", "| ONNX | int8 | float |", "|---|---|---|"]
    rows += [
        f"| {name} | {'yes' if entry.integer else 'float'} | yes |"
        for name, entry in sorted(OPERATORS.items())
    ]
    return "\n".join([*rows, "", ""])


def rules_table() -> str:
    """What the Edge TPU maps, by the table that the predictor reads."""
    rows = ["", "| operator | runtime | conditions | known by |", "|---|---|---|---|"]
    for name, rule in sorted(RULES.items()):
        words = "; ".join(condition.words for condition in rule.conditions)
        sources = dict.fromkeys(["table", *(condition.source for condition in rule.conditions)])
        runtime = "all" if rule.runtime == 10 else str(rule.runtime)
        rows.append(f"| {name} | {runtime} | {words} | {', '.join(sources)} |")
    return "\n".join([*rows, "", ""])


def riscv_table() -> str:
    """The operators that are written in C, by the table that the generator reads."""
    rows = ["", "| ONNX | int8 | int16 activations | float |", "|---|---|---|---|"]
    rows += [
        f"| {name} | {'yes' if entry.integer else 'float'} | {'yes' if entry.wide else 'float'} "
        "| yes |"
        for name, entry in sorted(RISCV_OPERATORS.items())
    ]
    return "\n".join([*rows, "", ""])


TABLES = {
    "operators": (REPOSITORY / "docs/backends/tflite.md", operator_table),
    "riscv operators": (REPOSITORY / "docs/backends/riscv.md", riscv_table),
    "rules": (REPOSITORY / "docs/backends/edgetpu.md", rules_table),
}
"""By the name of its marks: the page, and what writes the table."""


def _marked(name: str) -> re.Pattern[str]:
    return re.compile(rf"(<!-- {name}:[^>]*-->\n)(.*?)(<!-- end of {name} -->)", re.DOTALL)


@pytest.mark.parametrize("name", TABLES)
def test_a_table_is_the_one_that_the_code_reads(name):
    page, write = TABLES[name]
    found = _marked(name).search(page.read_text())
    assert found is not None
    assert found[2] == write(), "write it anew: python -m tests.test_docs"


def test_the_page_of_core_ml_names_every_operator_that_is_written():
    assert listed_operators() in COREML_PAGE.read_text()


def listed_operators() -> str:
    """The operators that are written to MIL, as lines of the page."""
    return textwrap.fill(", ".join(sorted(COREML_OPERATORS)) + ".", 100)


def conformance_table(edgecompile: Callable[..., Any], backend: str) -> str:
    """What `edgecompile conformance` says of a backend; of all but two, by one case an operator."""
    quick = () if backend in JUDGED_IN_FULL else ("--quick",)
    target = ("--target", JUDGED_BY[backend]) if backend in JUDGED_BY else ()
    precisions = [w for name in JUDGED_IN.get(backend, ()) for w in ("--precision", name)]
    words = (*quick, *target, *precisions)
    result = edgecompile("conformance", backend, *words, "--format", "markdown")
    assert result.exit_code in {0, 6}, result.stderr
    return f"\n{result.stdout}\n"


JUDGED_IN_FULL = ("onnxruntime", "tflite")
"""These two run at once what they built, so that every case can be judged."""

JUDGED_BY = {"riscv": "rv64gcv-linux"}
"""With vectors, on which the kernels differ most; the first by name compiles thrice as long."""

JUDGED_IN = {"qnn": ("int8", "a16w8", "fp16")}
"""Its two others have the same activations, and take two minutes each."""

OPERATORS_PAGE = REPOSITORY / "docs/operators.md"


@pytest.mark.full
@pytest.mark.parametrize("backend", JUDGED_IN_FULL)
def test_the_table_of_operators_is_what_the_backend_does(edgecompile, backend):
    found = _marked(f"conformance {backend}").search(OPERATORS_PAGE.read_text())
    assert found is not None
    table = conformance_table(edgecompile, backend)
    assert found[2] == table, f"write it anew: python -m tests.test_docs {backend}"


@pytest.mark.parametrize(
    "backend", re.findall(r"<!-- conformance (\w+):", OPERATORS_PAGE.read_text())
)
def test_the_page_of_a_backend_leads_to_its_table_of_operators(backend):
    before = OPERATORS_PAGE.read_text().partition(f"<!-- conformance {backend}:")[0]
    title = re.findall(r"^## (.+)$", before, re.MULTILINE)[-1]
    anchor = re.sub(r"[^a-z0-9-]", "", title.lower().replace(" ", "-"))
    page = (REPOSITORY / f"docs/backends/{backend}.md").read_text()
    assert f"](../operators.md#{anchor})" in page


def _write(page: Path, mark: str, table: str) -> None:
    page.write_text(_marked(mark).sub(lambda m: m[1] + table + m[3], page.read_text()))


def _by_process(*arguments: str) -> Result:
    done = subprocess.run(command(*arguments), stdout=subprocess.PIPE, text=True, check=False)
    return Result(done.returncode, done.stdout, "")


if __name__ == "__main__":
    for name in sys.argv[1:]:
        _write(OPERATORS_PAGE, f"conformance {name}", conformance_table(_by_process, name))
    for mark, (page, write) in TABLES.items():
        _write(page, mark, write())
