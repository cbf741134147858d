"""All cases over one backend, in a worker of their own: what crashes there ends one case."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from concurrent.futures.process import BrokenProcessPool
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from edgecompile.backends.protocol import Backend, Probe
from edgecompile.backends.registry import get_backend
from edgecompile.backends.toolchain import require_toolchain
from edgecompile.build.cache import Cache
from edgecompile.build.process import WorkerProcess
from edgecompile.build.step import External
from edgecompile.build.worker import Job
from edgecompile.conformance.judge import Verdict
from edgecompile.digest import digest_file
from edgecompile.errors import Location, ToolchainFailed, UserError
from edgecompile.parallel import cores
from edgecompile.recipe.catalogue import list_entries
from edgecompile.recipe.load import load_target
from edgecompile.recipe.schema import Precision
from edgecompile.recipe.target import Target
from edgecompile.recipe.validation import validate

CALIBRATION = 64
"""Samples of a whole network that its ranges are taken from."""


@dataclass(frozen=True)
class Network:
    """A whole network: the files of its float hub and of its samples."""

    name: str
    hub: Path
    samples: Path


@dataclass(frozen=True)
class Conformance:
    """What came of every case, and which target stood for each precision."""

    backend: Backend
    probe: Probe
    targets: Mapping[Precision, Target]
    verdicts: Sequence[Verdict]

    @property
    def failures(self) -> list[Verdict]:
        """What the backend computed wrongly or broke at; a refusal is none."""
        return [verdict for verdict in self.verdicts if verdict.status in {"wrong", "crashed"}]


def targets_by_precision(
    backend_name: str, names: Sequence[str] = (), precisions: Sequence[str] = ()
) -> dict[Precision, Target]:
    """A target of the backend for each precision that one has: the first by name that has it.

    `names` restricts the targets, `precisions` the precisions; options are spelled out.

    Raises:
        UserError: there is no such backend or target, or none of its targets holds the precision.
    """
    backend = get_backend(backend_name)
    known = [e.name for e in list_entries("targets")[0] if e.data.get("backend") == backend_name]
    found: dict[Precision, Target] = {}
    for target in (load_target(name) for name in names or known):
        if target.backend != backend_name:
            raise UserError(
                f"{target.name} is built by the backend '{target.backend}'",
                remedy=f"targets of '{backend_name}': {', '.join(known) or 'none'}",
            )
        spelled = _with_options(backend, target)
        for precision in target.precisions:
            if not precisions or precision in precisions:
                found.setdefault(precision, spelled)
    if not found:
        wanted = f" in {', '.join(precisions)}" if precisions else ""
        raise UserError(
            f"the backend '{backend_name}' has no target to judge it by{wanted}",
            remedy="`edgecompile targets list` shows all; `edgecompile targets new` starts one",
        )
    if "spiking" in found:
        raise UserError(
            f"'{backend_name}' builds spiking networks, which are judged by a metric and not by "
            "single operators",
            remedy="build a recipe for it: the report compares the chip's simulator with PyTorch",
        )
    return found


def _with_options(backend: Backend, target: Target) -> Target:
    place = Location(f"options of target {target.name}")
    options = validate(backend.options_schema, target.options, lambda path: place)
    return target.model_copy(update={"options": options.model_dump(mode="json")})


def conform(
    backend_name: str,
    targets: Mapping[Precision, Target],
    cases: Sequence[tuple[str, Sequence[str]]],
    networks: Iterable[Network],
    tell: Callable[[str, Sequence[Verdict]], None],
) -> Conformance:
    """Judge every operator's cases (names, by operator) and every network in each precision.

    `tell` hears of each precision when it is done.

    Raises:
        ToolchainMissing: what the backend needs is not installed.
    """
    backend = get_backend(backend_name)
    require_toolchain(backend)
    networks = list(networks)
    emulated = backend.evidence.emulated
    verdicts: list[Verdict] = []
    with TemporaryDirectory(prefix="edgecompile-conformance-") as place:
        process = WorkerProcess(Path(place, "log"), cores())
        try:
            for precision, target in targets.items():
                common = {
                    "target": target.model_dump(mode="json"),
                    "precision": precision,
                    "count": 2 if emulated else 8,
                }
                done: list[Verdict] = []
                for operator, names in cases:
                    done += _judge_operator(process, Path(place), operator, names, common)
                for network in networks:
                    done += _judge_network(process, Path(place), network, common)
                verdicts += done
                tell(precision, done)
        finally:
            process.close(at_once=True)
    return Conformance(backend, backend.probe(), targets, verdicts)


def _judge_operator(
    process: WorkerProcess,
    place: Path,
    operator: str,
    names: Sequence[str],
    common: Mapping[str, Any],
) -> list[Verdict]:
    try:
        return _carried_out(process, place, "judge_cases", {}, {**common, "cases": list(names)})
    except ToolchainFailed as error:
        if len(names) == 1:
            precision = common["precision"]
            return [Verdict(operator, names[0], precision, "crashed", message=error.message)]
    # One of them took the worker with it: which?
    return [v for name in names for v in _judge_operator(process, place, operator, [name], common)]


def _judge_network(
    process: WorkerProcess, place: Path, network: Network, common: Mapping[str, Any]
) -> list[Verdict]:
    inputs = {"hub": network.hub, "samples": network.samples}
    parameters = {**common, "name": network.name, "calibration": CALIBRATION}
    try:
        return _carried_out(process, place, "judge_network", inputs, parameters)
    except ToolchainFailed as error:
        precision = common["precision"]
        return [Verdict(network.name, network.name, precision, "crashed", message=error.message)]


def _carried_out(
    process: WorkerProcess,
    place: Path,
    function: str,
    inputs: Mapping[str, Path],
    parameters: Mapping[str, Any],
) -> list[Verdict]:
    name = f"edgecompile.conformance.judge:{function}"
    files = {key: External(path, digest_file(path)) for key, path in inputs.items()}
    job = Job("conformance", "0" * 64, name, files, parameters, Cache(place / "cache"), False)
    try:
        outcome = process.submit(job).result()
    except BrokenProcessPool:
        raise process.death(job) from None
    return [Verdict(**row) for row in outcome.record.result["verdicts"]]
