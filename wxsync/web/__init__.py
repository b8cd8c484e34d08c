"""The listening side: server and routes."""
