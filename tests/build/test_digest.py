"""Digests: of equal values equal, of different values different, whatever the order."""

from __future__ import annotations

import hashlib
import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from edgecompile.digest import canonical_json, digest_file, digest_json

JSON = st.recursive(
    st.none()
    | st.booleans()
    | st.integers(-(2**53), 2**53)
    | st.floats(allow_nan=False, allow_infinity=False)
    | st.text(max_size=8),
    lambda inner: (
        st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=4), inner, max_size=3)
    ),
    max_leaves=10,
)


def reordered(value):
    if isinstance(value, dict):
        return {key: reordered(value[key]) for key in reversed(value)}
    return [reordered(item) for item in value] if isinstance(value, list) else value


@given(value=JSON)
def test_the_order_of_keys_does_not_change_a_digest(value):
    assert digest_json(reordered(value)) == digest_json(value)


@given(value=JSON)
def test_the_canonical_form_reads_back_as_the_value(value):
    assert json.loads(canonical_json(value)) == value


@given(first=JSON, second=JSON)
def test_digests_are_equal_exactly_when_the_canonical_forms_are(first, second):
    equal = canonical_json(first) == canonical_json(second)
    assert (digest_json(first) == digest_json(second)) == equal


@pytest.mark.parametrize("value", [float("nan"), float("inf"), {"a": [float("-inf")]}])
def test_what_json_cannot_hold_has_no_digest(value):
    with pytest.raises(ValueError, match="JSON compliant"):
        digest_json(value)


@given(data=st.binary(max_size=300_000))
def test_the_digest_of_a_file_is_the_sha256_of_its_bytes(tmp_path_factory, data):
    path = tmp_path_factory.mktemp("digest") / "file"
    path.write_bytes(data)
    assert digest_file(path) == hashlib.sha256(data).hexdigest()
