"""A CycloneDX 1.6 ML-BOM of one target, from its manifest alone.

https://cyclonedx.org/docs/1.6/json/ - neither a serial number nor a time is in it: both are
optional there, and the same manifest is to give the same bytes. Plain JSON, since the library
`cyclonedx-python-lib` (11.12) has no model cards; a test holds it against the schema.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any
from urllib.parse import quote

from edgecompile.build.package import readable_json

_DATA, _MODEL = "data", "model"
_PREFIX = "edgecompile:"
"""Of the names of our own properties."""


def bom_bytes(manifest: Mapping[str, Any]) -> bytes:
    """The ML-BOM of a target as it is written beside its manifest."""
    return readable_json(bom_of(manifest))


def bom_of(manifest: Mapping[str, Any]) -> dict[str, Any]:
    """The ML-BOM of a target: the artifact as the model, its data, and the tools that made it."""
    steps = {step["step"]: step for step in manifest["lineage"]}
    data = [_data_set(name, step) for name, step in steps.items() if name.startswith("data[")]
    model = _model(manifest, steps, [component["bom-ref"] for component in data])
    return {
        "$schema": "http://cyclonedx.org/schema/bom-1.6.schema.json",
        "bomFormat": "CycloneDX",
        "specVersion": "1.6",
        "version": 1,
        "metadata": {"tools": {"components": [*_tools(manifest)]}, "component": model},
        "components": data,
        "dependencies": [{"ref": _MODEL, "dependsOn": [c["bom-ref"] for c in data]}],
    }


def _model(
    manifest: Mapping[str, Any], steps: Mapping[str, Mapping[str, Any]], data: list[str]
) -> dict[str, Any]:
    target = manifest["target"]
    lowered = steps.get(f"lower[{target['name']}]", {}).get("files", {})
    # What a build adds beside the artifact (recipe, report) is no part of the model.
    files = {name: digest for name, digest in lowered.items() if name in manifest["files"]}
    exported = steps.get("export", {}).get("files", {})
    component: dict[str, Any] = {
        "type": "machine-learning-model",
        "bom-ref": _MODEL,
        "name": f"{manifest['model']} for {target['name']}",
        "components": _files(_MODEL, files),
        "modelCard": {
            "modelParameters": {"datasets": [{"ref": ref} for ref in data]},
            "quantitativeAnalysis": {"performanceMetrics": [*_metrics(manifest, steps)]},
        },
        "properties": _properties(
            {
                "model": manifest["model"],
                "target": target["name"],
                "device": target.get("title", ""),
                "backend": target.get("backend", ""),
                "precision": manifest["precision"],
            }
        ),
    }
    if len(files) == 1:
        component["hashes"] = _hashes(*files.values())
    limits = [finding["message"] for finding in manifest["findings"]]
    if limits:
        component["modelCard"]["considerations"] = {"technicalLimitations": limits}
    if exported:
        ancestor = {
            "type": "machine-learning-model",
            "bom-ref": "export",
            "name": f"{manifest['model']}, exported to ONNX",
            "components": _files("export", exported),
        }
        component["pedigree"] = {"ancestors": [ancestor]}
    return component


def _metrics(
    manifest: Mapping[str, Any], steps: Mapping[str, Mapping[str, Any]]
) -> Iterator[dict[str, str]]:
    """One for each measured stage; `slice` says on how much data and by which evidence."""
    for row in manifest["stages"]:
        if row["metric"] is None:
            continue
        spec = steps.get(row["measure"], {}).get("parameters", {}).get("metric", "metric")
        name = spec if isinstance(spec, str) else spec.get("function", "metric")
        yield {
            "type": name.rpartition(":")[2],
            "value": repr(row["metric"]),
            "slice": f"after {row['step']}: {row['samples']} evaluation samples, "
            f"evidence {row['evidence']}",
        }


def _data_set(name: str, step: Mapping[str, Any]) -> dict[str, Any]:
    split = name.removeprefix("data[").removesuffix("]")
    ref = f"{_DATA}:{split}"
    return {
        "type": "data",
        "bom-ref": ref,
        "name": f"{split} data, as prepared",
        "data": [{"type": "dataset", "name": split}],
        "components": _files(ref, step["files"]),
    }


def _tools(manifest: Mapping[str, Any]) -> Iterator[dict[str, Any]]:
    yield {
        "type": "application",
        "bom-ref": "tool:edgecompile",
        "name": "edgecompile",
        "version": manifest["edgecompile"],
    }
    for name, version in sorted(manifest["tools"].items()):
        # Package URLs spell PyPI names in lower case with dashes (purl-spec, types/pypi).
        spelled = quote(name.lower().replace("_", "-"), safe="")
        yield {
            "type": "library",
            "bom-ref": f"tool:{name}",
            "name": name,
            "version": version,
            "purl": f"pkg:pypi/{spelled}@{quote(version, safe='')}",
        }


def _files(owner: str, files: Mapping[str, str]) -> list[dict[str, Any]]:
    return [
        {"type": "file", "bom-ref": f"{owner}/{name}", "name": name, "hashes": _hashes(digest)}
        for name, digest in sorted(files.items())
    ]


def _hashes(digest: str) -> list[dict[str, str]]:
    return [{"alg": "SHA-256", "content": digest}]


def _properties(values: Mapping[str, str]) -> list[dict[str, str]]:
    return [{"name": _PREFIX + name, "value": value} for name, value in values.items()]
