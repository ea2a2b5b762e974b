"""Has Hypothesis draw the same each time, with no deadline, and not look for the smallest example: any one will do."""

from __future__ import annotations

from hypothesis import Phase, settings

settings.register_profile("mutants", settings.get_profile("ci"), phases=(Phase.explicit, Phase.generate))
settings.load_profile("mutants")
