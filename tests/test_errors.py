"""Errors: how they read, and that they cross process borders whole."""

from __future__ import annotations

import pickle

import pytest
from hypothesis import given
from hypothesis import strategies as st

from edgecompile import errors
from edgecompile.errors import EdgecompileError, Location, UserError
from edgecompile.recipe.validation import InvalidDocument

CLASSES = [
    c for c in vars(errors).values() if isinstance(c, type) and issubclass(c, EdgecompileError)
]


def test_each_family_has_the_exit_code_of_the_design():
    codes = {c.__name__: c.exit_code for c in CLASSES}
    assert codes == {
        "EdgecompileError": 2,
        "UserError": 2,
        "BudgetBroken": 3,
        "TargetCannotRun": 4,
        "ToolchainMissing": 5,
        "ToolchainFailed": 6,
        "ContractError": 70,
    }


@pytest.mark.parametrize("kind", CLASSES)
def test_an_error_is_pickled_whole(kind):
    error = kind("what", location=Location("file", 1, 2, "text"), remedy="do this")
    copy = pickle.loads(pickle.dumps(error))
    assert type(copy) is kind
    assert (copy.message, copy.location, copy.remedy) == ("what", error.location, "do this")
    assert copy.render() == error.render() and str(copy) == "what"


def test_an_invalid_document_is_pickled_with_all_its_problems():
    error = InvalidDocument([UserError("one"), UserError("two", remedy="three")])
    assert pickle.loads(pickle.dumps(error)).render() == "error: one\n\nerror: two\nhelp: three"


def test_a_location_without_line_or_text_is_shown_as_far_as_it_is_known():
    assert UserError("x", location=Location("a")).render() == "error: x\n  --> a"
    assert UserError("x", location=Location("a", 3)).render() == "error: x\n  --> a:3"
    assert UserError("x", location=Location("a", 3, None, "code")).render() == (
        "error: x\n  --> a:3\n 3 | code"
    )


@given(
    text=st.text(st.characters(codec="ascii", exclude_categories=["Cc"]), min_size=1, max_size=400)
    | st.text("ab \t", min_size=1, max_size=400),
    data=st.data(),
    line=st.integers(1, 99999),
)
def test_the_caret_stands_under_its_column_and_no_line_is_endless(text, data, line):
    column = data.draw(st.integers(1, len(text)))
    rendered = UserError("x", location=Location("f", line, column, text)).render().split("\n")
    excerpt, caret = rendered[2], rendered[3]
    assert excerpt[caret.index("^")] == text[column - 1].replace("\t", " ")
    assert len(excerpt) <= errors.WIDEST + len(f" {line} | ")
    assert set(caret) <= {" ", "|", "^"}
