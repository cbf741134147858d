"""Starts for what a user adds: a recipe, a device, a toolchain. Each works as it is written."""
