"""Configure the Speck of this machine, send it the golden spikes, and compare what it answers.

    pip install numpy; install samna as the vendor says
    python apply.py --check      # the vendor's own validation only, no chip
    python apply.py

Leaves `device.json` beside this file. It was never run with samna or a chip: the names are those
that sinabs 3.1.3 uses.

This file is part of an artifact of edgecompile. It imports nothing of it.
"""

from __future__ import annotations

import argparse
import importlib
import importlib.metadata
import json
import sys
import time
from pathlib import Path
from typing import Any

STEP_MICROSECONDS = 10_000
"""The time of a step. Biases are added once in each: by a slow clock of the same period."""


def main(arguments: list[str], folder: Path) -> int:
    """Exit code 0: valid (and, with a chip, sent); 1: the vendor's validation refused it; 2: no
    samna."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--check", action="store_true", help="validate, touch no chip")
    chosen = parser.parse_args(arguments)
    (path,) = folder.glob("speck2?.json")
    body = json.loads(path.read_text(encoding="utf-8"))
    reason = why_no_samna()
    if reason is not None:
        print(f"samna is not here: {reason}", file=sys.stderr)
        return 2
    samna = importlib.import_module("samna")
    chip = importlib.import_module(f"samna.{body['chip']}")
    configuration = fill(chip.configuration.SpeckConfiguration(), body)
    valid, message = chip.validate_configuration(configuration)
    print("valid" if valid else f"not valid: {message}", file=sys.stderr)
    if not valid:
        return 1
    if not chosen.check:
        result = send(samna, chip, configuration, body, folder)
        (folder / "device.json").write_text(json.dumps(result, indent=1) + "\n", encoding="utf-8")
        print(f"wrote {folder / 'device.json'}", file=sys.stderr)
    return 0


def why_no_samna() -> str | None:
    """The package of that name on PyPI is a stub that installs another one as it is imported: only
    one with compiled code is imported."""
    try:
        files = importlib.metadata.files("samna") or []
    except importlib.metadata.PackageNotFoundError:
        return "it is not installed"
    if any(file.suffix in {".so", ".pyd", ".dylib"} for file in files):
        return None
    return "only the stub of PyPI, which installs another package when it is imported"


def fill(configuration: Any, body: dict[str, Any]) -> Any:
    """The fields of ``speck2?.json`` in the vendor's object."""
    wanted = body["configuration"]
    configuration.dvs_layer.pass_sensor_events = wanted["dvs_layer"]["pass_sensor_events"]
    for core, fields in wanted["cnn_layers"].items():
        layer = configuration.cnn_layers[int(core)]
        for name, value in fields.items():
            if name != "destinations":
                setattr(layer, name, value)
        for index, destination in enumerate(fields["destinations"]):
            for name, value in destination.items():
                setattr(layer.destinations[index], name, value)
    return configuration


def send(samna: Any, chip: Any, configuration: Any, body: dict[str, Any], folder: Path) -> Any:
    """The golden samples, one after the other, each on a chip that is configured anew."""
    import numpy as np

    devices = [d for d in samna.device.get_all_devices() if "Speck" in d.device_type_name]
    if not devices:
        raise SystemExit("no Speck is connected")
    device = samna.device.open_device(devices[0])
    model = device.get_model()
    clock = device.get_io_module()
    clock.set_slow_clk(True)
    clock.set_slow_clk_rate(1e6 / STEP_MICROSECONDS)
    source = getattr(samna, f"BasicSourceNode_{body['chip']}_event_input_event")()
    sink = getattr(samna, f"BasicSinkNode_{body['chip']}_event_output_event")()
    graph = samna.graph.EventFilterGraph()
    graph.sequential([source, model.get_sink_node()])
    graph.sequential([model.get_source_node(), sink])
    graph.start()
    watch = device.get_stop_watch()
    watch.set_enable_value(True)
    with np.load(folder / "golden.npz") as golden:
        spikes, expected = golden["events.input"], golden["outputs"]
    rows = []
    for index in range(spikes.shape[1]):
        model.apply_configuration(configuration)
        time.sleep(1)
        sink.get_events()
        watch.reset()
        source.write(events_of(chip, spikes[:, index], body["input"]["layer"]))
        time.sleep((len(spikes) + 10) * STEP_MICROSECONDS * 1e-6)
        outputs = decoded(sink.get_events(), body)
        rows.append({"device": outputs, "simulated": expected[index].ravel().tolist()})
    graph.stop()
    return {"chip": body["chip"], "steps": body["steps"], "samples": rows}


def events_of(chip: Any, spikes: Any, layer: int) -> list[Any]:
    """Spikes (steps, features, height, width) as the vendor's events, step by step."""
    import numpy as np

    events = []
    for step, feature, y, x in zip(*np.nonzero(spikes), strict=True):
        event = chip.event.Spike()
        event.layer, event.feature, event.x, event.y = layer, int(feature), int(x), int(y)
        event.timestamp = int(step) * STEP_MICROSECONDS
        events.append(event)
    return events


def decoded(events: list[Any], body: dict[str, Any]) -> list[float]:
    """The model's outputs from the events of the second half of the steps: of each pair of neurons
    the first counts up, the second down."""
    output, steps = body["output"], body["steps"]
    pairs = output["features"] // 2
    counts = [0] * pairs
    for event in events:
        if getattr(event, "layer", None) != output["layer"] or not hasattr(event, "feature"):
            continue
        if event.timestamp >= steps // 2 * STEP_MICROSECONDS:
            counts[event.feature % pairs] += 1 if event.feature < pairs else -1
    unit = output["spikes_per_unit_and_step"] * (steps - steps // 2)
    return [count / unit for count in counts]


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:], Path(__file__).resolve().parent))
