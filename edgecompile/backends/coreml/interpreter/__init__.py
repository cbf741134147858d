"""MIL executed operator by operator, for machines that have no Core ML.

Each operator is computed in float64 on its inputs as they are stored, and its result is rounded
once, to the nearest even, to the type that the program declares: float16 is float16 between any two
operators. So the order of sums does not matter, and neither does the machine. What a device's
compiler fuses, and how the Neural Engine accumulates, is not modelled.
"""
