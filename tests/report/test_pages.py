"""What the pages say, read as text: figures with their evidence, findings with their lines."""

from __future__ import annotations

import re
from html.parser import HTMLParser

import pytest
from hypothesis import given
from hypothesis import strategies as st

from edgecompile.evaluate.metrics import METRICS
from edgecompile.report.html.facts import code_lines
from edgecompile.report.html.pareto import Point, pareto_front
from edgecompile.report.html.write import linked


class Page(HTMLParser):
    """The text of each table row, and of the whole page; addresses that a browser would load."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.rows: list[str] = []
        self.text = ""
        self.loaded: list[str] = []
        self.inside = 0
        self.feed(text)

    def handle_starttag(self, tag, attrs):
        named = dict(attrs)
        self.inside += tag in {"script", "style"}
        if tag == "tr":
            self.rows.append("")
        addresses = [named.get("src"), named.get("href") if tag in {"link", "use"} else None]
        self.loaded += [a for a in addresses if a is not None and a != "data:,"]

    def handle_endtag(self, tag):
        self.inside -= tag in {"script", "style"}

    def handle_data(self, data):
        if self.inside:
            return
        self.text += data
        if self.rows:
            self.rows[-1] += f" {data.strip()}"


def test_a_page_is_one_small_file_that_loads_nothing(pages):
    for name in ("summary.html", "coral-usb/report.html", "android-tflite/report.html"):
        text = (pages / name).read_text()
        assert Page(text).loaded == []
        assert "@import" not in text and not re.search(r"url\((?!#)", text)
        assert not re.findall(r"<svg[^>]*>(?:(?!</svg>).)*? id=", text, re.DOTALL)  # many in a page
        assert len(text) < 200_000


def test_no_accuracy_stands_without_its_evidence(pages):
    levels = r"device|vendor-runtime|vendor-emulator|reference|graph|pytorch|isa-emulator"
    for name in ("summary.html", "coral-usb/report.html"):
        rows = [row for row in Page((pages / name).read_text()).rows if re.search(r"\d %", row)]
        assert rows
        assert all(re.search(levels, row) for row in rows)
        assert not [row for row in rows if re.search(r"\d m[sJ]\b", row) and "estimate" not in row]


def test_a_finding_stands_with_the_line_of_the_users_code(pages):
    page = Page((pages / "coral-usb/report.html").read_text())
    assert "model.py:10" in page.text
    assert "10 return" in re.sub(r"\s+", " ", page.text)
    assert "nn.functional.elu(self.linear(x))  # the chip has no such operator" in page.text


def test_a_target_that_was_not_built_is_on_the_page_with_the_reason(pages):
    page = Page((pages / "summary.html").read_text())
    assert "not built: exit 4" in page.text
    assert "no-room has 10 bytes of flash" in page.text
    assert "A <b>board</b> & no flash" in page.text
    assert not (pages / "no-room").exists()


def test_the_page_says_how_to_make_it_again(pages):
    page = Page((pages / "coral-usb/report.html").read_text())
    command = (
        "edgecompile build tiny -t coral-usb --set stages.quantize.sensitivity=true "
        "--set 'description=<i>a & b</i>'"
    )
    assert command in page.text


@pytest.mark.parametrize(
    "place", ["model.py:0", "model.py:99", "gone.py:1", "../x.py:1", "x", "a:b"]
)
def test_a_line_that_is_not_there_any_more_is_not_shown(tmp_path, place):
    (tmp_path / "recipe").mkdir()
    (tmp_path / "x.py").write_text("secret = 1\n")
    (tmp_path / "recipe/model.py").write_text("one\ntwo\n")
    assert code_lines(tmp_path / "recipe", place) == []
    shown = code_lines(tmp_path / "recipe", "model.py:2")
    assert [(line["line"], line["text"], line["named"]) for line in shown] == [
        (1, "one", False),
        (2, "two", True),
    ]


POINTS = st.lists(
    st.builds(
        Point,
        st.tuples(st.text(max_size=3)),
        st.integers(0, 5).map(float),
        st.just("graph"),
        st.integers(0, 5).map(float),
        st.none(),
    ),
    min_size=1,
    max_size=12,
)


@given(POINTS, st.sampled_from(["top1", "mse"]))
def test_the_front_holds_what_no_other_beats_and_beats_all_else(points, name):
    metric = METRICS[name]
    front = pareto_front(points, metric)

    def as_good(a: Point, b: Point) -> bool:
        return metric.loss(b.metric, a.metric) <= 0 and a.low <= b.low

    def same(a: Point, b: Point) -> bool:
        return (a.metric, a.low) == (b.metric, b.low)

    assert front
    for point in points:
        better = [p for p in front if as_good(p, point) and not same(p, point)]
        assert (point in front) == (not better)


def test_only_web_addresses_become_links():
    text = linked("see https://a.org/x?b=<1>&c=2, javascript:alert(1) and (http://b.org/).")
    assert re.findall(r'href="([^"]*)"', text) == ["https://a.org/x?b=", "http://b.org/"]
    assert "<1>" not in text and "&lt;1&gt;" in text
