"""Comparing two trainings: what differs in configuration, and who did better on the same held-out days."""
