"""Isolation of test runs: which campaign a call belongs to, its clock, its faults."""
