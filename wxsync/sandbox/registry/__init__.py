"""A container registry on loopback: source, destination and token service. Floor: sandbox."""
