"""Replay: one incident, or one recorded run, as the command line names it."""
