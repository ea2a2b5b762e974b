"""Breaks hops at their proxies: toxics, closed listeners, resets and silence."""
