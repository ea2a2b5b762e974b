"""Breaks, proves that it broke, and puts back."""
