"""Ours beside its peers: one module a subject, run by `python -m benchmarks NAME`."""
