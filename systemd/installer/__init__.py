"""The installer: runs from the unpacked release with nothing but Python's standard library."""
