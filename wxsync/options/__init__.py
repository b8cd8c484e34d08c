"""The option table and the frozen settings types."""
