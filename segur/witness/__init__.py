"""A reference DUI that speaks only the public wire formats."""
