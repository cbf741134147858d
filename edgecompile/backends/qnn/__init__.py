"""Qualcomm QNN: context binaries for the Hexagon NPU (HTP) of one Snapdragon, and its emulator."""
