"""Measures and judges; knows no stack and no fault."""
