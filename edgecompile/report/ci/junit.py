"""JUnit XML: a suite for each target, a case for each step on its way.

The dialect is Jenkins', which GitLab, GitHub's actions and Azure read as well: `failure` where a
budget was broken, `error` where a step could not be carried out, `skipped` where none was tried.
"""

from __future__ import annotations

import re
import xml.etree.ElementTree as ET
from collections.abc import Mapping, Sequence
from typing import Any

from edgecompile.evaluate.metrics import Metric
from edgecompile.report.stages import path_to
from edgecompile.report.words import metric_words, points_words

_BUDGET = 3
"""The exit code of a broken budget."""
_NOT_XML = re.compile("[^\t\n\r\x20-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]")
"""XML 1.0, section 2.2: what a document cannot hold, not even escaped. A tool may print it."""


def junit_xml(bodies: Sequence[Mapping[str, Any]], failures: Mapping[str, str]) -> bytes:
    """The JSON of builds (`BuildResult.as_json` with costs) as a JUnit document.

    `failures` are of models of which no step could be planned: by name, what was wrong.
    """
    models = [*(body["model"] for body in bodies), *failures]
    root = ET.Element("testsuites", name=" ".join(["edgecompile", *models]))
    for body in bodies:
        metric = Metric(**body["metric"])
        for target in body["targets"]:
            suite = ET.SubElement(root, "testsuite", name=f"{body['model']}.{target['target']}")
            _add_cases(suite, body, target, metric)
            _count(suite)
    for model, error in failures.items():
        suite = ET.SubElement(root, "testsuite", name=model)
        _tell(_case(suite, "plan", None), "error", _first_line(error), error)
        _count(suite)
    _count(root)
    ET.indent(root)
    document: bytes = ET.tostring(root, encoding="utf-8", xml_declaration=True)
    return document + b"\n"


def _add_cases(
    suite: ET.Element, body: Mapping[str, Any], target: Mapping[str, Any], metric: Metric
) -> None:
    error = target["error"]
    steps = {step["step"]: step for step in body["steps"]}
    check = steps.get(f"check[{target['target']}]")
    own = next((row for row in body["stages"] if row["target"] == target["target"]), None)
    rows = path_to(body["stages"], own) if own is not None else []
    told = False
    for row in rows:
        name = "pytorch" if row["stage"] == "pytorch" else row["step"]
        case = _case(suite, name, row["cpu_seconds"])
        _tell_measurement(case, row, metric)
        broken = [v["name"] for v in row["verdicts"] if not v["holds"]]
        if broken:
            _tell(case, "failure", ", ".join(broken), error or "a budget was broken")
        elif row["status"] == "failed":
            _tell(case, "error", _first_line(error), error)
        elif row["status"] == "skipped":
            ET.SubElement(case, "skipped", message="a step before it failed")
        told = told or bool(broken) or row["status"] == "failed"
        if row["stage"] == "simplify" and check is not None:
            case = _case(suite, check["step"], check["cpu_seconds"])
            if check["status"] == "failed":
                _tell(case, "error", _first_line(error), error)
                told = True
            elif check["status"] == "skipped":
                ET.SubElement(case, "skipped", message="a step before it failed")
    if error is not None and not told:
        # Refused before any step: a toolchain that is missing, a precision that it has not.
        kind = "failure" if target["exit_code"] == _BUDGET else "error"
        _tell(_case(suite, f"build[{target['target']}]", None), kind, _first_line(error), error)


def _case(suite: ET.Element, name: str, seconds: float | None) -> ET.Element:
    return ET.SubElement(
        suite,
        "testcase",
        classname=suite.attrib["name"],
        name=name,
        time=f"{seconds or 0.0:.3f}",
    )


def _tell(case: ET.Element, kind: str, message: str, text: str | None) -> None:
    found = ET.SubElement(case, kind, message=_clean(message), type=kind)
    found.text = _clean(text or "")


def _tell_measurement(case: ET.Element, row: Mapping[str, Any], metric: Metric) -> None:
    if row["metric"] is None:
        return
    words = f"{metric.name} {metric_words(row['metric'], metric)}"
    if row["delta_previous"] is not None:
        words += f", {points_words(row['delta_previous'])} points against the step before"
        words += f", {points_words(row['delta_baseline'])} against PyTorch"
    words += f"; evidence: {row['evidence']}, {row['samples']:,} samples"
    ET.SubElement(case, "system-out").text = _clean(words)


def _first_line(error: str | None) -> str:
    return (error or "failed").splitlines()[0]


def _count(element: ET.Element) -> None:
    cases = list(element.iter("testcase"))
    element.set("tests", str(len(cases)))
    for plural, kind in (("failures", "failure"), ("errors", "error"), ("skipped", "skipped")):
        element.set(plural, str(sum(case.find(kind) is not None for case in cases)))
    element.set("time", f"{sum(float(case.attrib['time']) for case in cases):.3f}")


def _clean(text: str) -> str:
    return _NOT_XML.sub("\N{REPLACEMENT CHARACTER}", text)
