"""What must hold before anything is broken: whose addresses, containers and data these are. There is no way round."""
