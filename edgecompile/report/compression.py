"""What compression did beyond its plain method: tried, kept, put back, and what costs most."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from rich import box
from rich.console import Console
from rich.markup import escape
from rich.table import Table

_MOST_ROWS = 10
"""Of the operators by sensitivity; the JSON has all."""


_RAISED = {"float": "put back to float", "int16": "raised to int16 activations"}


def print_account(account: Mapping[str, Any]) -> None:
    """Print one quantize step's account on stderr."""
    print_compression(Console(stderr=True, highlight=False), {"quantize": account})


def print_compression(console: Console, accounts: Mapping[str, Mapping[str, Any]]) -> None:
    """Print the accounts of the quantize steps, by step; one without calibration may be empty."""
    for step, account in accounts.items():
        for trial in account.get("trials") or ():
            verdict = "kept" if trial["kept"] else "dropped"
            console.print(
                f"{escape(step)}: {trial['method']} {verdict}, outputs "
                f"{trial['before_db']:.1f} dB -> {trial['after_db']:.1f} dB on calibration data"
            )
        _print_put_back(console, account.get("put_back") or ())
        _print_sensitivity(console, step, account.get("sensitivity") or ())


def _print_put_back(console: Console, rows: Sequence[Mapping[str, Any]]) -> None:
    for row in rows:
        console.print(
            f"{_RAISED[row['precision']]}: {escape(_place(row))}, {row['gained_db']:+.1f} dB, "
            f"{row['bytes'] / 1000:+,.1f} kB"
        )
    if rows:
        console.print()


def _print_sensitivity(console: Console, step: str, rows: Sequence[Mapping[str, Any]]) -> None:
    if not rows:
        return
    title = f"{escape(step)}: each operator, when only it is quantized"
    table = Table(box=box.SIMPLE_HEAD, title=title, pad_edge=False)
    table.title_justify = "left"
    table.add_column("operator")
    table.add_column("SQNR dB", justify="right")
    table.add_column("points lost", justify="right")
    for row in rows[:_MOST_ROWS]:
        decibel = "equal" if row["sqnr_db"] is None else f"{row['sqnr_db']:.1f}"
        lost = "" if row["lost_points"] is None else f"{row['lost_points']:+.2f}"
        table.add_row(escape(_place(row)), decibel, lost)
    console.print(table)
    if len(rows) > _MOST_ROWS:
        console.print(f"and {len(rows) - _MOST_ROWS} less sensitive; --format json lists all\n")


def _place(row: Mapping[str, Any]) -> str:
    where = ", ".join(part for part in (row["module"], row["source"]) if part)
    return f"{row['op_type']} {where or row['node']}"
