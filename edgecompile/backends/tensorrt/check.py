from __future__ import annotations

import onnx_ir as ir

from edgecompile.findings import Finding


def check_for_engine(hub: ir.Model) -> list[Finding]:
    return []


def check_for_bundle(hub: ir.Model) -> list[Finding]:
    return []
