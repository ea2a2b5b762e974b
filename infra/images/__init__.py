"""Where the stack's container images come from: upstream, or built here when no registry can be reached."""
