"""`python -m edgecompile` is the same as `edgecompile`."""

from edgecompile.cli import main

if __name__ == "__main__":  # a spawned worker imports this file under another name
    main()
