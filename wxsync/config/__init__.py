"""Loading, reporting and documenting the settings."""
