"""Finds or builds the Toxiproxy server that a stack is started with."""
