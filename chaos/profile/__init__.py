"""Reads a profile into a scenario, and a timeline into the events that will be played."""

from chaos.profile.file import PROFILES, load_profile, shipped
from chaos.profile.recorded import SCENARIO_NAME, read_scenario, to_json, write_scenario
from chaos.profile.scenario import Phases, Play, Scenario
from chaos.profile.swizzle import Swizzle
from chaos.profile.timeline import At, Every, Planned, Ramp, expand

__all__ = [
    "PROFILES",
    "SCENARIO_NAME",
    "At",
    "Every",
    "Phases",
    "Planned",
    "Play",
    "Ramp",
    "Scenario",
    "Swizzle",
    "expand",
    "load_profile",
    "read_scenario",
    "shipped",
    "to_json",
    "write_scenario",
]
