"""Data sets, metrics, output agreement, evidence, budgets: what a step did to the model."""
