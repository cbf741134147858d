"""What CI reads after a build: JUnit, SARIF, annotations, the summary of a job, a fan-out."""

from __future__ import annotations

import json
import re
import shlex
import xml.etree.ElementTree as ET
from pathlib import Path

import click
import pytest
import yaml
from hypothesis import given
from hypothesis import strategies as st
from junitparser import JUnitXml
from sarif_pydantic import Sarif

from edgecompile.cli.app import cli
from edgecompile.report.ci.github import fan_out, job_summary, workflow_commands
from edgecompile.report.ci.junit import junit_xml
from edgecompile.report.ci.remarks import Remark
from edgecompile.report.ci.sarif import sarif

SHARED = ["pytorch", "export", "simplify"]


def test_the_example_workflow_calls_edgecompile_as_it_is():
    page = Path(__file__).parents[2] / "docs/ci.md"
    (block,) = re.findall(r"^```yaml\n(.*?)^```", page.read_text(), re.DOTALL | re.MULTILINE)
    workflow = yaml.safe_load(block)
    steps = [step for job in workflow["jobs"].values() for step in job["steps"]]
    text = "\n".join(step.get("run", "") for step in steps)
    calls = [
        shlex.split(call) for call in re.findall(r"edgecompile ((?:build|matrix)[^)\n]*)", text)
    ]
    assert [call[0] for call in calls] == ["matrix", "build"]
    for verb, *words in calls:
        command = cli.get_command(click.Context(cli), verb)
        known = {word for option in command.params for word in option.opts}
        assert {word for word in words if word.startswith("-")} <= known


@pytest.fixture
def root(pages: Path) -> Path:
    """The folder that the build was started in."""
    return pages.parents[1]


def outcomes(suite) -> dict[str, str]:
    return {
        case.name: type(case.result[0]).__name__.lower() if case.result else "passed"
        for case in suite
    }


def test_junit_has_a_suite_for_each_target_and_a_case_for_each_step(root):
    suites = {suite.name: suite for suite in JUnitXml.fromfile(str(root / "ci/junit.xml"))}
    assert list(suites) == ["tiny.android-tflite", "tiny.coral-usb", "tiny.no-room"]
    steps = [*SHARED, "check[{}]", "quantize[affine]", "lower[{}]"]
    for name in ("android-tflite", "coral-usb"):
        found = outcomes(suites[f"tiny.{name}"])
        assert found == {step.format(name): "passed" for step in steps}
    failed = outcomes(suites["tiny.no-room"])
    assert failed.pop("lower[no-room]") == "error"
    assert set(failed.values()) == {"passed"}
    case = next(c for c in suites["tiny.no-room"] if c.name == "lower[no-room]")
    assert "10 bytes of flash" in case.result[0].message
    case = next(c for c in suites["tiny.coral-usb"] if c.name == "lower[coral-usb]")
    assert "evidence: vendor-runtime, 200 samples" in case.system_out
    whole = ET.parse(root / "ci/junit.xml").getroot()
    assert [whole.get(k) for k in ("tests", "failures", "errors", "skipped")] == [
        "18",
        "0",
        "1",
        "0",
    ]


def test_a_broken_budget_is_a_failure_in_junit_and_a_result_in_sarif(edgecompile, built, tmp_path):
    result = edgecompile(
        *("build", "tiny", "-q", "--junit", "j.xml", "--sarif", "s.sarif"),
        *("--set", "budgets.lower=-1"),
    )
    assert result.exit_code == 3
    (suite,) = JUnitXml.fromfile("j.xml")
    found = outcomes(suite)
    assert found.pop("lower[cpu-onnxruntime]") == "failure"
    assert set(found.values()) == {"passed"}
    failure = next(case for case in suite if case.name.startswith("lower")).result[0]
    assert failure.message == "budgets.lower"
    assert "budgets.lower demands a gain of 1 point" in failure.text
    (remark,) = json.loads(Path("s.sarif").read_text())["runs"][0]["results"]
    assert (remark["ruleId"], remark["level"]) == ("budget", "error")
    place = remark["locations"][0]["physicalLocation"]
    assert place["artifactLocation"] == {"uri": "tiny/recipe.yaml", "uriBaseId": "%SRCROOT%"}


def test_what_comes_after_a_broken_budget_is_skipped(edgecompile, built):
    options = ("--junit", "j.xml", "--set", "budgets.export=-1")
    assert edgecompile("build", "tiny", "-q", *options).exit_code == 3
    (suite,) = JUnitXml.fromfile("j.xml")
    found = outcomes(suite)
    assert [found[step] for step in SHARED] == ["passed", "failure", "skipped"]
    assert {found[s] for s in found if s not in SHARED} == {"skipped"}


def test_a_missing_precision_is_an_error_of_its_target_alone(edgecompile, built):
    (Path("targets")).mkdir()
    Path("targets/odd.yaml").write_text("title: Odd\nbackend: tflite\nprecisions: [a16w8]\n")
    options = ("-t", "cpu-onnxruntime", "-t", "odd", "--junit", "j.xml", "--sarif", "s.sarif")
    assert edgecompile("build", "tiny", "-q", *options).exit_code == 4
    suites = {suite.name: outcomes(suite) for suite in JUnitXml.fromfile("j.xml")}
    assert suites["tiny.odd"] == {"build[odd]": "error"}
    assert set(suites["tiny.cpu-onnxruntime"].values()) == {"passed"}
    (remark,) = json.loads(Path("s.sarif").read_text())["runs"][0]["results"]
    assert remark["message"]["text"] == "odd: the target odd has no precision 'int8'"


def test_sarif_leads_to_the_lines_of_the_users_python(root):
    text = (root / "ci/report.sarif").read_text()
    log = Sarif.model_validate_json(text)
    (run,) = log.runs
    assert (log.version, run.tool.driver.name) == ("2.1.0", "edgecompile")
    assert text == json.dumps(json.loads(text), indent=2, sort_keys=True) + "\n"
    assert str(root) not in text
    by_rule = {result.rule_id: result for result in run.results}
    found = by_rule["edgetpu-cpu"]
    assert found.level == "warning"
    assert found.message.text.startswith("coral-usb: ")
    place = found.locations[0].physical_location
    assert (place.artifact_location.uri, place.region.start_line) == ("tiny/model.py", 10)
    assert "functional.elu" in (root / "tiny/model.py").read_text().splitlines()[9]
    failed = by_rule["target"]
    assert failed.level == "error"
    assert failed.locations[0].physical_location.artifact_location.uri == "tiny/recipe.yaml"
    rules = [rule.id for rule in run.tool.driver.rules]
    assert len(rules) == len(set(rules))
    assert all(rules[result.rule_index] == result.rule_id for result in run.results)


def test_in_github_actions_findings_become_annotations_on_stderr(root):
    lines = [line for line in (root / "stderr").read_text().splitlines() if line[:2] == "::"]
    assert any(
        line.startswith("::warning file=tiny/model.py,title=edgecompile%3A coral-usb,line=10::ELU")
        for line in lines
    )
    assert any(line.startswith("::error file=tiny/recipe.yaml,") for line in lines)


def test_in_github_actions_the_job_gets_a_summary(root):
    text = (root / "summary.md").read_text()
    table = [line for line in text.splitlines() if line.startswith("|")]
    assert len(table) == 2 + 3
    assert r"| android-tflite | built |" in table[2] and "| vendor-runtime |" in table[2]
    assert "**exit 4**" in table[4]
    assert r"(tiny/model.py:10)" in text


def test_outside_github_nothing_is_annotated(edgecompile, built):
    assert "::" not in edgecompile("build", "tiny", "-q").stderr


def test_a_file_that_cannot_be_written_is_told(edgecompile, built):
    Path("taken").write_text("")
    result = edgecompile("build", "tiny", "-q", "--junit", "taken/j.xml")
    assert result.exit_code == 2
    assert result.stderr.startswith("error: cannot write taken/j.xml: ")


def test_a_matrix_is_one_line_that_github_reads(edgecompile, tiny):
    result = edgecompile("matrix", "tiny", "digits_cnn", "-t", "mcu-tflite", "--format", "github")
    assert result.stdout.count("\n") == 1
    assert result.json() == {
        "include": [
            {"recipe": "tiny", "target": "mcu-tflite"},
            {"recipe": "digits_cnn", "target": "mcu-tflite"},
        ]
    }
    assert edgecompile("matrix", "tiny").stdout.splitlines()[1].split() == [
        "tiny",
        "cpu-onnxruntime",
    ]
    assert fan_out([]) == '{"include":[]}'


REMARKS = st.lists(
    st.builds(
        Remark,
        st.sampled_from(["error", "warning", "note"]),
        st.sampled_from(["a-rule", "another"]),
        st.text(min_size=1),
        st.text("ab/é %", min_size=1).map(lambda text: f"src/{text}.py"),
        st.none() | st.integers(1, 10**6),
        st.lists(st.text(min_size=1, max_size=5), min_size=1, max_size=3).map(tuple),
        st.none() | st.text(),
        st.none() | st.text(),
        st.none() | st.text().map(lambda text: f"https://{text}"),
    ),
    max_size=30,
)


@given(REMARKS)
def test_whatever_is_remarked_sarif_stays_sarif_and_a_command_one_line(remarks):
    log = sarif(remarks)
    results = Sarif.model_validate(log).runs[0].results
    assert len(results) == len(remarks)
    for result in log["runs"][0]["results"]:
        place = result["locations"][0]["physicalLocation"]
        assert place["artifactLocation"]["uri"].isascii()
        assert " " not in place["artifactLocation"]["uri"]
        assert place["region"]["startLine"] >= 1
    for line in workflow_commands(remarks):
        assert line.startswith(("::error", "::warning", "::notice"))
        assert not {"\n", "\r"} & set(line)
    for level in ("error", "warning", "notice"):
        shown = [c for c in workflow_commands(remarks) if c.startswith(f"::{level}")]
        assert len(shown) <= 10


@given(st.text())
def test_whatever_a_tool_prints_junit_stays_xml_and_markdown_one_row(text):
    target = {"target": "t", "error": text, "exit_code": 6, "size_bytes": None}
    body = {
        "model": "m",
        "metric": {"name": "top1", "higher_is_better": True, "points": 100.0},
        "stages": [],
        "steps": [],
        "targets": [target],
    }
    root = ET.fromstring(junit_xml([body], {}))
    assert root.get("errors") == "1"
    remark = Remark("error", "toolchain-failed", text, "recipe.yaml", None, ("t",))
    rows = job_summary(body, [remark]).splitlines()
    assert len(rows) == 8
    assert rows[7] == ""
    assert "<" not in rows[6].replace("\\<", "")
