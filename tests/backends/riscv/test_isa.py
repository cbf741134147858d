from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from edgecompile.backends.riscv.isa import parse_isa
from edgecompile.errors import UserError


@pytest.mark.parametrize(
    ("text", "xlen", "vector", "floats", "vlen", "abi"),
    [
        ("rv64gcv", 64, True, True, 128, "lp64d"),
        ("rv64gcv_zba_zvl256b", 64, True, True, 256, "lp64d"),
        ("rv64gc", 64, False, True, 0, "lp64d"),
        ("rv64imfc", 64, False, True, 0, "lp64f"),
        ("rv32imac", 32, False, False, 0, "ilp32"),
        ("rv32imafc", 32, False, True, 0, "ilp32f"),
    ],
)
def test_a_string_says_what_code_may_use(text, xlen, vector, floats, vlen, abi):
    isa = parse_isa(text)
    assert (isa.xlen, isa.vector, isa.hardware_float, isa.min_vlen) == (xlen, vector, floats, vlen)
    assert isa.abi == abi


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("armv7", "not of the form"),
        ("rv64gcx", "letters"),
        ("rv64gcc", "letters"),
        ("rv32iac", "needs 'm'"),
        ("rv64imdc", "'d' needs 'f'"),
        ("rv64imafcv", "'v' needs"),
        ("rv64gc_Zvl256b", "not of the form"),
    ],
)
def test_what_no_code_can_be_made_for_is_refused_with_the_reason(text, reason):
    with pytest.raises(UserError, match=reason) as caught:
        parse_isa(text)
    assert "rv64gcv" in caught.value.remedy


@given(st.text(max_size=12))
def test_any_text_is_an_isa_or_a_user_error(text):
    try:
        assert parse_isa(text).xlen in {32, 64}
    except UserError as error:
        assert text in error.message
