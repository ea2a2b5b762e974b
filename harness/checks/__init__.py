"""Judges what clients were told: a history goes in, findings come out."""
