"""What is asked of a system: operations in Python, or declared in a file."""
