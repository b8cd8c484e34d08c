"""Structured log: events with fields, secrets redacted, text or JSON, to stderr, the journal or a rotated file."""
