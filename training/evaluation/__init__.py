"""Evaluation: agents on held-out days, R / R*, intervals and paired differences."""
