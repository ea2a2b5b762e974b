"""Measures processes and their children: memory, CPU, descriptors, sockets."""
