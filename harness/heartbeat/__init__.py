"""Asks each hop during a whole run, and dates each recovery by the answers."""

from harness.heartbeat.aftermaths import RECOVERY_LIMIT_S
from harness.heartbeat.heartbeat import HealthEndpoint, Heartbeat
from harness.heartbeat.looks import HOLD_S
from harness.heartbeat.words import Word, read_words

__all__ = ["HOLD_S", "RECOVERY_LIMIT_S", "HealthEndpoint", "Heartbeat", "Word", "read_words"]
