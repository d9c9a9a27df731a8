"""Scenarios to verdicts with evidence; reads a journal and nothing else."""
