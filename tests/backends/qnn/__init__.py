"""The QNN backend, through Qualcomm's own compiler and emulator."""
