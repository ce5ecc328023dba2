"""The policy bundle at run time."""
