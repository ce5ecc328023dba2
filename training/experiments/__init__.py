"""Experiments: two arms compared on the same traffic, with intervals that hold whenever they are looked at."""
