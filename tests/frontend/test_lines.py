"""Lines of a cached export stay true when only comments of the source changed."""

from __future__ import annotations

import ast

from hypothesis import given
from hypothesis import strategies as st

from edgecompile.frontend.lines import current_place, line_table

SOURCE = ["import torch", "", "def build():", "    x = 1", "    return (", "        x", "    )"]


@given(
    blanks=st.lists(st.sampled_from(["", "# a comment", "\n\n"]), min_size=7, max_size=7),
    line=st.sampled_from([1, 3, 4, 5, 6]),
)
def test_a_line_is_found_again_after_comments_were_added(tmp_path_factory, blanks, line):
    folder = tmp_path_factory.mktemp("lines")
    tables = {"model.py": line_table("\n".join(SOURCE))}
    edited = [part for blank, text in zip(blanks, SOURCE, strict=True) for part in (blank, text)]
    text = "\n".join(edited)
    assert ast.dump(ast.parse(text)) == ast.dump(ast.parse("\n".join(SOURCE)))
    (folder / "model.py").write_text(text)
    file, _, found = current_place(f"model.py:{line}", tables, folder).rpartition(":")
    assert file == "model.py"
    assert text.splitlines()[int(found) - 1] == SOURCE[line - 1]


def test_a_place_in_a_file_that_is_gone_stays_as_it_was(tmp_path):
    tables = {"model.py": line_table("\n".join(SOURCE))}
    assert current_place("model.py:4", tables, tmp_path) == "model.py:4"
    assert current_place("other.py:4", tables, tmp_path) == "other.py:4"
