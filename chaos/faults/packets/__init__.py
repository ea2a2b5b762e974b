"""Drops, reorders and damages packets, and cuts services out of their networks."""
