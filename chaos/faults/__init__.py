"""Faults by name, a family a file: what each does, how it is felt, and what puts it back."""
