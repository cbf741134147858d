"""C, in parts: what the generator puts together. Imported, so that a change of a kernel changes the
key of what was made with it."""

from pathlib import Path

FOLDER = Path(__file__).resolve().parent
