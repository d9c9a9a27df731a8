"""Formats and listeners several services share."""
