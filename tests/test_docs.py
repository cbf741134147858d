"""The pages of the documentation: their commands run, their links lead somewhere, their table of
operators is the one that the backend uses.

`python -m tests.test_docs` writes that table anew.
"""

from __future__ import annotations

import re
import shlex
from pathlib import Path

import pytest

from edgecompile.formats.tflite.operators import OPERATORS

REPOSITORY = Path(__file__).resolve().parents[1]
PAGES = [REPOSITORY / "README.md", *sorted((REPOSITORY / "docs").rglob("*.md"))]
TFLITE_PAGE = REPOSITORY / "docs/backends/tflite.md"
_TABLE = re.compile(r"(<!-- operators:[^>]*-->\n)(.*?)(<!-- end of operators -->)", re.DOTALL)


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


@pytest.mark.parametrize("page", [p for p in PAGES if _commands(p)], ids=_name)
def test_the_commands_of_a_page_run_in_its_order(page, edgecompile):
    for block in _blocks(page, "yaml"):
        named = re.match(r"# (targets/[\w-]+\.yaml)\n", block)
        if named:
            Path("targets").mkdir(exist_ok=True)
            Path(named[1]).write_text(block)
    for arguments in _commands(page):
        result = edgecompile(*arguments)
        assert result.exit_code == 0, f"{' '.join(arguments)}\n{result.stdout}{result.stderr}"


@pytest.mark.parametrize("page", PAGES, ids=_name)
def test_the_links_of_a_page_lead_somewhere(page):
    for target in re.findall(r"\]\(([^)#]+)[^)]*\)", page.read_text()):
        if "://" not in target:
            assert (page.parent / target).exists(), target


def operator_table() -> str:
    """The operators that are written to TFLite, by the table that the emitter reads."""
    rows = ["", "| ONNX | int8 | float |", "|---|---|---|"]
    rows += [
        f"| {name} | {'yes' if entry.integer else 'float'} | yes |"
        for name, entry in sorted(OPERATORS.items())
    ]
    return "\n".join([*rows, "", ""])


def test_the_table_of_operators_is_the_one_that_the_emitter_reads():
    found = _TABLE.search(TFLITE_PAGE.read_text())
    assert found is not None
    assert found[2] == operator_table(), "write it anew: python -m tests.test_docs"


if __name__ == "__main__":
    text = TFLITE_PAGE.read_text()
    TFLITE_PAGE.write_text(_TABLE.sub(lambda m: m[1] + operator_table() + m[3], text))
