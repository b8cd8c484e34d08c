"""The OCI distribution API (specification v1.1, and the Docker registry v2 that it came from), both ways."""
