"""A backend of edgecompile in a package of its own: dense networks, executed by NumPy."""
