"""YAML marks: whatever is written, each key is found on its own line and column."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import yaml
from hypothesis import given
from hypothesis import strategies as st

from edgecompile.errors import UserError
from edgecompile.recipe.document import parse_value, read_document

KEYS = st.text("abcdefghij_ éß漢", min_size=1, max_size=8).map(str.strip).filter(bool)
SCALARS = st.one_of(
    st.none(),
    st.booleans(),
    st.integers(-(10**6), 10**6),
    st.floats(allow_nan=False, allow_infinity=False, width=32),
    st.text(st.characters(codec="utf-8", exclude_categories=["Cc", "Cs"]), max_size=12),
)
VALUES = st.recursive(
    SCALARS,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(KEYS, inner, max_size=3),
    max_leaves=12,
)
MAPPINGS = st.dictionaries(KEYS, VALUES, min_size=1, max_size=4)


@pytest.fixture(scope="module")
def file(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("document") / "some.yaml"


@given(
    data=MAPPINGS,
    flow=st.booleans(),
    line_break=st.sampled_from(["\n", "\r\n", "\r"]),
    unicode=st.booleans(),
)
def test_a_document_is_read_as_it_was_written(file, data, flow, line_break, unicode):
    text = yaml.safe_dump(data, default_flow_style=flow, allow_unicode=unicode, width=60)
    file.write_bytes(text.replace("\n", line_break).encode())
    assert read_document(file).data == data


@given(data=MAPPINGS, flow=st.booleans(), line_break=st.sampled_from(["\n", "\r\n"]))
def test_every_key_is_located_where_its_name_stands(file, data, flow, line_break):
    text = yaml.safe_dump(data, default_flow_style=flow, allow_unicode=True, width=1000)
    file.write_bytes(text.replace("\n", line_break).encode())
    document = read_document(file)

    def visit(value: Any, path: tuple[str | int, ...]) -> None:
        if isinstance(value, dict):
            for key, child in value.items():
                place = document.locate((*path, key))
                assert place.text is not None and place.column is not None
                rest = place.text[place.column - 1 :]
                assert next(iter(yaml.safe_load(f"{{{rest.partition(':')[0]}: 1}}"))) in (
                    key,
                    yaml.safe_load(key),
                )
                visit(child, (*path, key))
        elif isinstance(value, list):
            for index, child in enumerate(value):
                visit(child, (*path, index))

    visit(data, ())


@given(data=MAPPINGS, absent=KEYS)
def test_an_absent_key_is_located_at_its_parent(file, data, absent):
    file.write_text(yaml.safe_dump(data, allow_unicode=True))
    document = read_document(file)
    for key, value in data.items():
        if isinstance(value, dict) and absent not in value:
            assert document.locate((key, absent, "below")) == document.locate((key,))


@given(text=st.text(max_size=60))
def test_any_text_is_a_value_or_a_user_error(text):
    try:
        parse_value(text, "somewhere")
    except UserError as error:
        assert error.render().startswith("error: ")


@given(data=st.binary(max_size=60))
def test_any_bytes_are_a_document_or_a_user_error(file, data):
    file.write_bytes(data)
    try:
        assert isinstance(read_document(file).data, dict)
    except UserError as error:
        assert error.render().startswith("error: ")


def test_separators_that_yaml_does_not_count_as_lines_do_not_shift_the_marks(file):
    file.write_bytes("a: 'x\x1fy'\nb: 1\n".replace("\x1f", "\x0b").encode())
    with pytest.raises(UserError, match=r"U\+000B"):
        read_document(file)
    file.write_bytes("a: 'x\u2028 y'\nb: 1\n".encode())
    place = read_document(file).locate(("b",))
    assert (place.line, place.text) == (3, "b: 1")


def test_a_byte_order_mark_is_not_part_of_the_first_key(file):
    file.write_bytes(b"\xef\xbb\xbfname: x\n")
    assert read_document(file).data == {"name": "x"}
