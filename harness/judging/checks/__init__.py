"""The checks of a run; each registers itself with the evidence that it needs."""
