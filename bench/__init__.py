"""Measurements behind docs/performance.md; never part of the tests."""
