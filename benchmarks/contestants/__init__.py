"""The contestants: programs that each drive one URL, at one rate, over so many connections, for so long."""
