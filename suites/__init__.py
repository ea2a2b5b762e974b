"""Asserts: short tests, one folder a suite, every scenario through the same path."""
