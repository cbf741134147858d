"""File formats that several backends share, one folder each. They know no toolchain."""
