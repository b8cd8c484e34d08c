"""Loopback stand-ins of the remote services, for the demo and the tests."""
