"""Experiments that are served: requests are split by a keyed hash, and each arm has its own bundle and money."""
