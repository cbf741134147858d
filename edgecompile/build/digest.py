"""Digests lie beside the rooms now, since the backends need them too; this is the old place.

To be removed once backends/files.py imports `edgecompile.digest`.
"""

from edgecompile.digest import digest_file

__all__ = ["digest_file"]
