"""Fixtures of the sandbox's own tests."""

from __future__ import annotations

import pytest


class Hands:
    """Epoch seconds that move only by hand."""

    def __init__(self):
        self.time = 1_764_000_000.0

    def __call__(self):
        return self.time

    def move(self, seconds):
        self.time += seconds


@pytest.fixture
def now():
    return Hands()
