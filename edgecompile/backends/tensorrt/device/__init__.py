"""What travels in a bundle and runs on the device: a shell script, and Python of its own.

These files know nothing of edgecompile, and need nothing but what JetPack installs.
"""
