"""Empties caches, fills disks and takes up connections of stores."""
