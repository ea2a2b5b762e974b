"""How many cases there were, and the first few of them in words."""

from __future__ import annotations

from collections.abc import Iterable

SHOWN = 5


class Tally:
    """Counts cases and keeps the text of the first SHOWN."""

    __slots__ = ("count", "examples")

    def __init__(self, examples: Iterable[str] = (), count: int | None = None) -> None:
        """Start with some cases: `count` of them, of which `examples` are the first; by default those alone."""
        every = list(examples)
        self.examples = every[:SHOWN]
        self.count = len(every) if count is None else count

    def note(self, example: str, count: int = 1) -> None:
        """Count `count` cases with one text."""
        self.count += count
        if len(self.examples) < SHOWN:
            self.examples.append(example)

    def __bool__(self) -> bool:
        return self.count > 0

    def __str__(self) -> str:
        more = self.count - len(self.examples)
        return ", ".join(self.examples) + (f" and {more} more" if more > 0 else "")
