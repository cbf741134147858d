"""The pages in a real browser: what a person sees, points at and clicks."""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from importlib.resources import files
from pathlib import Path
from typing import Any

import pytest

from edgecompile.report.html.charts import summary_charts, target_charts
from edgecompile.report.html.draw import draw_charts
from edgecompile.report.html.write import write_page

SUMMARY, CORAL = "summary.html", "coral-usb/report.html"
DESK, PHONE = {"width": 1200, "height": 900}, {"width": 360, "height": 740}
AXE = files("axe_playwright_python").joinpath("axe.min.js").read_text(encoding="utf-8")


@pytest.fixture
def visit(browser: Any, pages: Path) -> Any:
    """Opens a page; what the browser complains of, or asks for, is in `page.said`."""
    contexts = []

    def open_page(name: str | Path = SUMMARY, **options: Any) -> Any:
        context = browser.new_context(**{"viewport": DESK, "bypass_csp": True, **options})
        contexts.append(context)
        page = context.new_page()
        page.said = []
        page.on("console", lambda message: page.said.append(message.text))
        page.on("pageerror", lambda error: page.said.append(str(error)))
        page.on("dialog", lambda dialog: page.said.append(dialog.message))
        address = (pages / name).as_uri()
        page.on("request", lambda r: None if r.url == address else page.said.append(r.url))
        page.goto(address)
        return page

    yield open_page
    for context in contexts:
        context.close()


def drawn(page: Any) -> dict[str, int]:
    """By the name of each chart its marks that can be seen."""
    return page.evaluate(
        """() => Object.fromEntries([...document.querySelectorAll("figure.chart")].map(figure => [
            figure.getAttribute("aria-label"),
            [...figure.querySelectorAll(".role-mark [aria-label]")].filter(mark => {
                const box = mark.getBoundingClientRect();
                return box.width * box.height > 0;
            }).length,
        ]))"""
    )


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("form", [DESK, PHONE], ids=["desk", "phone"])
def test_a_page_asks_for_nothing_complains_of_nothing_and_fits(visit, form, scheme):
    for name in (SUMMARY, CORAL):
        page = visit(name, viewport=form, color_scheme=scheme, bypass_csp=False)
        assert page.said == []
        assert page.evaluate("document.documentElement.scrollWidth <= innerWidth")


@pytest.mark.parametrize("form", [DESK, PHONE], ids=["desk", "phone"])
def test_every_chart_has_its_marks(visit, form):
    marks = drawn(visit(SUMMARY, viewport=form))
    assert marks.pop("Points that each step changed, by target") >= 2  # a tick for each target
    assert marks == {
        "top1 against size": 2,
        "top1 against latency": 1,
        "top1 against energy": 1,
        "Signal-to-noise ratio when one operator is quantized": 2,
    }
    marks = drawn(visit(CORAL, viewport=form))
    # A tick for each step and the artifact, and the bars of the baseline and the artifact.
    assert marks.pop("top1 after each step") >= 6 + 2
    assert marks.pop("Signal-to-noise ratio when one operator is quantized") == 2
    assert marks.pop("Operators of the artifact, and where they run") >= 2


def test_pointing_at_a_mark_tells_its_number_and_its_evidence(visit):
    page = visit(SUMMARY)
    figure = page.get_by_role("group", name="top1 against latency")
    figure.locator(".desk .role-mark [aria-label]").first.hover()
    told = page.locator("#tip").text_content()
    assert re.fullmatch(
        r"coral-usb: \d+\.\d\d % \(vendor-runtime\), latency .* ms \(estimate\)", told
    )
    page.mouse.move(1, 1)
    assert page.locator("#tip").is_hidden()


def column(page: Any, table: Any, index: int) -> list[str]:
    return table.locator(f"tbody tr > :nth-child({index})").all_inner_texts()


def test_a_table_sorts_both_ways_and_what_is_not_known_stays_last(visit):
    page = visit(SUMMARY)
    table = page.locator("#targets ~ .scroll table")
    head = table.locator("thead th", has_text="latency")
    for way in ("ascending", "descending"):
        head.get_by_role("button").click()
        assert head.get_attribute("aria-sort") == way
        assert [bool(re.search(r"\d", text)) for text in column(page, table, 7)] == [
            True,
            False,
            False,
        ]
    names = table.locator("thead th", has_text="target")
    names.get_by_role("button").press("Enter")
    assert head.get_attribute("aria-sort") is None
    firsts = [text.splitlines()[0] for text in column(page, table, 1)]
    assert firsts == ["android-tflite", "coral-usb", "no-room"]
    names.get_by_role("button").click()
    firsts = [text.splitlines()[0] for text in column(page, table, 1)]
    assert firsts == ["no-room", "coral-usb", "android-tflite"]


def test_numbers_sort_as_numbers(visit):
    page = visit(CORAL)
    table = page.locator("#steps ~ .scroll table")
    head = table.locator("thead th", has_text="SQNR")
    for reverse in (False, True):
        head.get_by_role("button").click()
        shown = [text for text in column(page, table, 5) if re.match(r"\d", text)]
        assert len(shown) >= 2
        assert shown == sorted(shown, key=float, reverse=reverse)


def brightness(page: Any) -> int:
    color = page.evaluate("getComputedStyle(document.body).backgroundColor")
    return sum(map(int, re.findall(r"\d+", color)[:3]))


def test_a_page_is_dark_where_the_system_is_and_the_button_changes_it_for_good(visit):
    assert brightness(visit(SUMMARY, color_scheme="light")) > 600
    page = visit(SUMMARY, color_scheme="dark")
    assert brightness(page) < 150
    button = page.get_by_role("button", name="Dark")
    assert button.get_attribute("aria-pressed") == "true"
    button.click()
    assert brightness(page) > 600
    assert button.get_attribute("aria-pressed") == "false"
    page.reload()
    assert brightness(page) > 600


@pytest.mark.parametrize(
    ("name", "form", "scheme"),
    [(SUMMARY, DESK, "light"), (SUMMARY, PHONE, "dark"), (CORAL, PHONE, "light")],
)
def test_axe_finds_nothing_serious(visit, name, form, scheme):
    page = visit(name, viewport=form, color_scheme=scheme)
    page.evaluate("document.querySelectorAll('details').forEach(d => d.open = true)")
    page.evaluate(AXE)
    found = page.evaluate("axe.run()")
    assert len(found["passes"]) > 15  # it did look
    serious = [v["id"] for v in found["violations"] if v["impact"] in {"serious", "critical"}]
    assert serious == [], found["violations"]


def test_the_summary_leads_to_the_pages_of_its_targets_and_back(visit):
    page = visit(SUMMARY)
    page.get_by_role("link", name="coral-usb").click()
    assert page.title() == "tiny on coral-usb"
    page.get_by_role("link", name="tiny").click()
    assert page.title() == "tiny: all targets"


def test_without_scripts_all_is_there_but_sorting(visit):
    page = visit(SUMMARY, java_script_enabled=False)
    assert page.locator(".chart .desk svg").first.is_visible()
    assert page.locator("#targets ~ .scroll tbody tr").count() == 3
    assert page.locator("#theme").is_hidden()


HOSTILE = "</script></style><img src=x onerror=alert(1)><svg onload=alert(2)>{{7*7}}\"'&"

KEPT = {"metric", "evidence", "stage", "measure", "previous", "level", "points", "target"}
"""Keys whose values the page is built by; a recipe or a check cannot choose their texts freely."""


def hostile(value: Any, key: str = "") -> Any:
    """The facts with a text that looks like markup in every name and message."""
    if isinstance(value, dict):
        return {k: hostile(v, k) for k, v in value.items()}
    if isinstance(value, list):
        return [hostile(item, key) for item in value]
    if isinstance(value, str) and key not in KEPT and value not in {"latency", "ms"}:
        return value + HOSTILE
    return value


@pytest.mark.parametrize("template", ["report.html.j2", "summary.html.j2"])
def test_markup_in_names_and_messages_stays_text(visit, pages, tmp_path, facts_of, template):
    facts = hostile(facts_of(template))
    draw = summary_charts if template == "summary.html.j2" else target_charts
    draw_charts({}, {"charts": draw(facts)}, tmp_path)
    templates = Path(str(files("edgecompile.report.html"))) / "templates"
    write_page(
        {"charts": tmp_path / "charts.json", "templates": templates},
        {"template": template, "facts": facts},
        tmp_path,
    )
    page = visit(tmp_path / "page.html")
    assert page.said == []
    assert page.evaluate("document.querySelectorAll('img, svg[onload]').length") == 0
    assert page.evaluate("document.querySelectorAll('script, style').length") == 2
    assert HOSTILE in page.locator("body").inner_text()
    assert drawn(page)


@pytest.fixture
def facts_of(pages: Path, shared_cache: Path) -> Callable[[str], dict[str, Any]]:
    """The facts that a page was made of, as the cache has them in the step's parameters."""
    from edgecompile.report.html import facts as made

    summary = json.loads((pages / "summary.json").read_bytes())
    manifest = json.loads((pages / "coral-usb/manifest.json").read_bytes())
    recipe = json.loads((pages / "coral-usb/recipe.json").read_bytes())

    def call(template: str) -> dict[str, Any]:
        own = next(t for t in summary["targets"] if t["target"] == "coral-usb")
        lineage = [{key: step[key] for key in ("step", "key")} for step in manifest["lineage"]]
        code = {
            f["source"]: made.code_lines(pages.parents[1] / "tiny", f["source"])
            for f in own["findings"]
            if f["source"]
        }
        common = {
            "model": "tiny",
            "description": "words",
            "metric": {"name": "top1", "higher_is_better": True, "points": 100.0},
            "edgecompile": "0",
            "recipe": recipe,
            "recipe_digest": "0" * 64,
            "code": code,
            "compression": summary["compression"],
            "tools": manifest["tools"],
            "sources": manifest["sources"],
            "command": "edgecompile build tiny",
        }
        if template == "report.html.j2":
            return common | {
                "target": manifest["target"],
                "result": own,
                "stages": manifest["stages"],
                "files": {"model.tflite": "0" * 64},
                "lineage": lineage,
            }
        rows = {row["target"]: row for row in summary["stages"] if row["target"]}
        return common | {
            "results": summary["targets"],
            "stages": summary["stages"],
            "rows": rows,
            "charted": {"size": [], "latency": ["coral-usb"], "energy": ["coral-usb"]},
            "worst": rows["coral-usb"],
        }

    return call
