"""Two builds held against each other."""
