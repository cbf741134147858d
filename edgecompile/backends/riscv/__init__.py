"""RISC-V: the hub as C99 that needs no runtime, compiled by zig and executed under qemu."""
