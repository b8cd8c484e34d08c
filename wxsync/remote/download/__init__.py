"""Fetch what a link leads to, guarded and bounded."""
