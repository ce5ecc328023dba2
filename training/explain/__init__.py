"""Explaining a decision: which features moved alpha in a slot, and by how much."""
