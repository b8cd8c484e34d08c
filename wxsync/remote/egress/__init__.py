"""The proxy on the way out: its address, what goes past it, its protocols, and whether it works."""
