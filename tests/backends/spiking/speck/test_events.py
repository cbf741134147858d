"""The event-driven simulator: one queue of events, by the letter; and when order does not count."""

from __future__ import annotations

from collections import deque
from dataclasses import replace

import numpy as np
import pytest

from edgecompile.backends.spiking.network import INPUT, SpikingNetwork
from edgecompile.backends.spiking.rates import outputs_of
from edgecompile.backends.spiking.simulate import activity_of, outputs_at, simulate
from edgecompile.backends.spiking.speck.events import FLOOR, _arrival, simulate_events
from edgecompile.backends.spiking.speck.integers import DYNAMICS
from tests.backends.spiking.networks import rates_of
from tests.backends.spiking.speck.chains import CHAIN, HUBS, VECTOR, chip_of
from tests.hubs import samples_for


class Core:
    """One layer in Python: a potential for each neuron, and what one event does to them."""

    def __init__(self, network: SpikingNetwork, layer) -> None:
        (self.c,) = layer.connections
        self.layer, self.source = layer, network.shape_of(self.c.source)
        self.v = np.zeros(layer.shape, int) + layer.v0.astype(int)[:, None, None]
        self.seen = 0

    def tick(self):
        self.v += self.layer.bias.astype(int)[:, None, None]
        return self.fire(True)

    def take(self, neuron):
        channel, y, x = np.unravel_index(neuron, self.source)
        y, x = y // self.c.pool[0], x // self.c.pool[1]
        weight, touched = self.c.weight.astype(int), np.zeros(self.v.shape, bool)
        for row in range(self.v.shape[1]):
            for column in range(self.v.shape[2]):
                i = y + self.c.pads[0] - row * self.c.stride[0]
                j = x + self.c.pads[1] - column * self.c.stride[1]
                if 0 <= i < weight.shape[2] and 0 <= j < weight.shape[3]:
                    self.v[:, row, column] += weight[:, channel, i, j]
                    touched[:, row, column] = True
        return self.fire(touched)

    def fire(self, touched):
        np.maximum(self.v, FLOOR, out=self.v)
        threshold = int(self.layer.threshold)
        times = np.where(touched & (self.v >= threshold), self.v // threshold, 0)
        self.v -= times * threshold
        neuron = np.flatnonzero(times)
        order = np.argsort(_arrival(np.full(len(neuron), self.seen), neuron))
        self.seen += 1
        return np.repeat(neuron[order], times.ravel()[neuron[order]])


def one_queue(network: SpikingNetwork, trains: np.ndarray) -> dict[str, np.ndarray]:
    """Spikes by population and step (steps, *shape) of one sample: the biases of all cores at the
    start of a step, then the input's events, each core in the order in which events come."""
    layers = network.layers[:-1]
    cores = [Core(network, layer) for layer in layers]
    counts = {layer.name: np.zeros((len(trains), *layer.shape), int) for layer in layers}
    for step, train in enumerate(trains):
        queue: deque = deque()

        def send(index, neurons, step=step, queue=queue):
            np.add.at(counts[layers[index].name][step].reshape(-1), neurons, 1)
            if index + 1 < len(layers):
                queue.extend((index + 1, neuron) for neuron in neurons)

        for index, core in enumerate(cores):
            send(index, core.tick())
        first = np.flatnonzero(train)
        order = np.argsort(_arrival(np.full(len(first), step), first))
        queue.extend((0, neuron) for neuron in first[order])
        while queue:
            index, neuron = queue.popleft()
            send(index, cores[index].take(neuron))
    return counts


@pytest.mark.parametrize("name", HUBS)
def test_all_windows_at_a_time_are_one_queue_of_events(name):
    network, steps = chip_of(HUBS[name]), 6
    trace = simulate_events(network, samples_for(HUBS[name], 3), [3, steps], record=True)
    for sample in range(3):
        expected = one_queue(network, trace.trains[INPUT][:, sample])
        for layer, counts in expected.items():
            assert counts.any()
            np.testing.assert_array_equal(trace.trains[layer][:, sample], counts)


def without_signs(network: SpikingNetwork) -> SpikingNetwork:
    """All weights and biases positive: nothing that comes late takes back what came first."""

    def positive(layer):
        connections = tuple(replace(c, weight=np.abs(c.weight)) for c in layer.connections)
        return replace(layer, connections=connections, bias=np.abs(layer.bias))

    layers = (*(positive(layer) for layer in network.layers[:-1]), network.layers[-1])
    return replace(network, layers=layers)


@pytest.mark.parametrize("name", HUBS)
def test_where_nothing_inhibits_the_chip_is_the_step_simulation(name):
    network, samples = without_signs(chip_of(HUBS[name])), samples_for(HUBS[name], 5)
    events = simulate_events(network, samples, [4, 8], record=True)
    steps = simulate(network, samples, [4, 8], DYNAMICS, record=True)
    for population, train in steps.trains.items():
        np.testing.assert_array_equal(events.trains[population], train)
    for step in (4, 8):
        np.testing.assert_array_equal(events.potentials[step], steps.potentials[step])
    for population, counts in steps.spikes.items():
        np.testing.assert_array_equal(events.spikes[population], counts)
    assert activity_of(network, events) == activity_of(network, steps)


def test_where_something_inhibits_order_counts():
    network, samples = chip_of(CHAIN), samples_for(CHAIN, 5)
    events = simulate_events(network, samples, [8], record=True)
    steps = simulate(network, samples, [8], DYNAMICS, record=True)
    name = network.layers[1].name
    assert (events.trains[name] != steps.trains[name]).any()
    assert events.trains[name].sum() > 0


def test_a_sample_takes_the_same_course_in_every_batch():
    network, samples = chip_of(CHAIN), samples_for(CHAIN, 7)
    together = simulate_events(network, samples, [10], record=True)
    for index in range(7):
        alone = simulate_events(network, samples[index : index + 1], [10], record=True)
        for name, train in alone.trains.items():
            np.testing.assert_array_equal(together.trains[name][:, index], train[:, 0])


def test_given_spikes_are_taken_as_they_are():
    network, samples = chip_of(CHAIN), samples_for(CHAIN, 4)
    coded = simulate_events(network, samples, [4, 8], record=True)
    given = simulate_events(network, samples[:0], [4, 8], given=coded.trains[INPUT])
    np.testing.assert_array_equal(outputs_at(network, coded, 8), outputs_at(network, given, 8))


def test_potentials_stop_at_the_lower_threshold():
    network = chip_of(VECTOR)
    first = network.layers[0]
    down = np.full_like(first.connections[0].weight, -127)
    layer = replace(first, connections=(replace(first.connections[0], weight=down),))
    # 24 events of -127 in each of 40 steps are beyond 16 bits; then ticks of the bias bring the
    # neurons back, as soon as the floor allows.
    layer = replace(layer, bias=np.full(8, 127.0), threshold=50.0, v0=np.zeros(8))
    network = replace(network, layers=(layer, *network.layers[1:]))
    trains = np.ones((400, 1, 24, 1, 1), np.int8)
    trains[40:] = 0
    trace = simulate_events(network, np.zeros((0, 12)), [400], given=trains, record=True)
    fired = trace.trains[first.name][:, 0, 0, 0, 0]
    back = (-FLOOR) // 127
    assert not fired[1 : 40 + back].any()
    assert fired[40 + back + 1 :].all()


@pytest.mark.parametrize("name", HUBS)
def test_with_more_steps_outputs_come_nearer_to_the_ann(name):
    samples, network = samples_for(HUBS[name], 40), chip_of(HUBS[name])
    wanted = outputs_of(rates_of(HUBS[name]), samples)
    trace = simulate_events(network, samples, [4, 8, 32, 64])
    errors = [
        float(np.square(outputs_at(network, trace, steps) - wanted).mean() / wanted.var())
        for steps in (8, 64)
    ]
    assert errors[1] < min(errors[0], 0.05)
