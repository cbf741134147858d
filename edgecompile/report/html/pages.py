"""Draw the pages of a build, or take them from the cache: nothing heavy is imported here."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from edgecompile.build.build import Pages
from edgecompile.build.cache import Cache, DamagedCache
from edgecompile.build.code import step_code
from edgecompile.build.execute import Execution, StepOutcome, carry_out_plan
from edgecompile.build.plan import Plan
from edgecompile.build.result import BuildResult
from edgecompile.build.step import External, Product, Step
from edgecompile.digest import canonical_json, digest_bytes, digest_path
from edgecompile.recipe.load import LoadedRecipe
from edgecompile.report.html.charts import summary_charts, target_charts
from edgecompile.report.html.facts import summary_facts, target_facts

_ROOM = "edgecompile.report.html"
_TEMPLATES = Path(__file__).with_name("templates")
_SUMMARY = "summary"
PAGE = "page.html"
REPORT, SUMMARY = "report.html", "summary.html"


async def make_pages(
    loaded: LoadedRecipe,
    result: BuildResult,
    manifests: Mapping[str, Mapping[str, Any]],
    cache: Cache,
    how: Execution,
) -> Pages:
    """`report.html` of each target in `manifests`, and `summary.html` of all.

    Raises:
        EdgecompileError: a page cannot be drawn.
        DamagedCache: the cache does not hold the page that it recorded.
    """
    facts = _ordered(summary_facts(loaded, result, manifests))
    steps = [*_steps(_SUMMARY, "summary.html.j2", facts, summary_charts(facts))]
    for name, manifest in manifests.items():
        facts = _ordered(target_facts(loaded, result, manifest))
        steps += _steps(f"report[{name}]", "report.html.j2", facts, target_charts(facts))
    packages = step_code(steps[0].function).packages
    plan = Plan(tuple(steps), (), step_code(steps[1].function), packages)
    outcomes = await carry_out_plan(plan, cache, _nothing, _nothing, how)
    for outcome in outcomes.values():  # charts that failed leave a page without a word of its own
        if outcome.error is not None:
            raise outcome.error
    seconds = [o.cpu_seconds for o in outcomes.values() if o.cpu_seconds is not None]
    return Pages(
        {SUMMARY: _page(cache, outcomes[_SUMMARY])},
        {name: {REPORT: _page(cache, outcomes[f"report[{name}]"])} for name in manifests},
        sum(seconds) if seconds else None,
    )


def _ordered(facts: Mapping[str, Any]) -> dict[str, Any]:
    """The same with its keys in one order: a result from the cache has another than a fresh one."""
    ordered: dict[str, Any] = json.loads(canonical_json(facts))
    return ordered


def _nothing(*_: Any) -> None:
    """No budget is held against a page, and a progress display need not name it."""


def _steps(
    name: str, template: str, facts: Mapping[str, Any], charts: Mapping[str, Any]
) -> list[Step]:
    """Two steps: most changes of a page leave its charts, which take longer, as they are."""
    drawn = _step(f"charts[{name}]", f"{_ROOM}.draw:draw_charts", {"charts": charts})
    written = _step(
        name,
        f"{_ROOM}.write:write_page",
        {"template": template, "facts": facts},
        {
            "charts": Product(drawn.name, "charts.json"),
            "templates": External(_TEMPLATES, digest_path(_TEMPLATES)),
        },
    )
    return [drawn, written]


def _step(
    name: str,
    function: str,
    parameters: Mapping[str, Any],
    inputs: Mapping[str, External | Product] | None = None,
) -> Step:
    return Step(name, "pages", function, step_code(function).digest, inputs or {}, parameters)


def _page(cache: Cache, outcome: StepOutcome) -> bytes:
    record = outcome.record
    assert record is not None
    cache.bring(record)
    try:
        data = (cache.files(record.key) / PAGE).read_bytes()
    except OSError:
        raise DamagedCache(record.key) from None
    if digest_bytes(data) != record.files[PAGE].sha256:
        raise DamagedCache(record.key)
    return data
