"""Plan, cache, execute, package. This folder knows no format and no vendor."""
