"""The version, in one place: read by pyproject, by the distribution and by --version. Floor: ground, pure."""

VERSION = "0.1.0"
