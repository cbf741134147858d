"""Which cases are judged."""

from __future__ import annotations

import difflib
from collections.abc import Sequence

from edgecompile.errors import UserError


def choose_cases(operators: Sequence[str], quick: bool) -> list[tuple[str, list[str]]]:
    """The names of the cases of each operator, in the order of the list; `quick`: one of each.

    Raises:
        UserError: there is no case of an operator.
    """
    from edgecompile.conformance.cases import CASES, FIRST

    by_operator: dict[str, list[str]] = {}
    for case in FIRST if quick else CASES:
        by_operator.setdefault(case.op, []).append(str(case))
    for name in operators:
        if name not in by_operator:
            close = difflib.get_close_matches(name, by_operator, n=1)
            remedy = f"did you mean '{close[0]}'?" if close else f"there are {len(by_operator)}"
            raise UserError(f"there is no case of an operator '{name}'", remedy=remedy)
    return [(op, names) for op, names in by_operator.items() if not operators or op in operators]
