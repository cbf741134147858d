"""SARIF 2.1.0 (OASIS, 2020): findings for the code scanning of GitHub, GitLab and editors."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import PurePosixPath
from typing import Any
from urllib.parse import quote

import edgecompile
from edgecompile.digest import digest_json
from edgecompile.report.ci.remarks import RULES, Remark

_SCHEMA = (
    "https://docs.oasis-open.org/sarif/sarif/v2.1.0/errata01/os/schemas/sarif-schema-2.1.0.json"
)
_HELP = dict(RULES.values())


def sarif(remarks: Sequence[Remark]) -> dict[str, Any]:
    """A SARIF log of one run: a result for each remark, a rule for each kind of them."""
    rules = {remark.rule: _rule(remark) for remark in remarks}
    numbers = {rule: index for index, rule in enumerate(rules)}
    driver = {
        "name": "edgecompile",
        "semanticVersion": edgecompile.__version__,
        "rules": list(rules.values()),
    }
    return {
        "$schema": _SCHEMA,
        "version": "2.1.0",
        "runs": [
            {
                "tool": {"driver": driver},
                "columnKind": "unicodeCodePoints",
                "results": [_result(remark, numbers[remark.rule]) for remark in remarks],
            }
        ],
    }


def _rule(remark: Remark) -> Mapping[str, Any]:
    rule: dict[str, Any] = {"id": remark.rule}
    words = _HELP.get(remark.rule)
    if words:
        rule["shortDescription"] = {"text": words}
    if remark.reference and remark.reference.startswith("https://"):
        rule["helpUri"] = quote(remark.reference.split(" ")[0], safe=":/?#[]@!$&'()*+,;=%")
    return rule


def _result(remark: Remark, number: int) -> Mapping[str, Any]:
    message = f"{', '.join(remark.targets)}: {remark.message}"
    if remark.remedy:
        message += f"\nWhat to do: {remark.remedy}"
    place: dict[str, Any] = {"physicalLocation": {"artifactLocation": _artifact(remark.file)}}
    # GitHub shows no result without a line: the first one stands for a whole file.
    place["physicalLocation"]["region"] = {"startLine": remark.line or 1}
    if remark.module:
        place["logicalLocations"] = [{"fullyQualifiedName": remark.module, "kind": "member"}]
    told = [remark.rule, remark.message, remark.module, list(remark.targets)]
    return {
        "ruleId": remark.rule,
        "ruleIndex": number,
        "level": remark.level,
        "message": {"text": message},
        "locations": [place],
        # Not the line: a remark that moved with the code is the same one.
        "partialFingerprints": {"edgecompile/v1": digest_json(told)},
    }


def _artifact(file: str) -> dict[str, str]:
    path = PurePosixPath(file)
    if path.is_absolute():
        return {"uri": path.as_uri()}
    return {"uri": quote(file), "uriBaseId": "%SRCROOT%"}
