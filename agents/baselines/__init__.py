"""Bidders to compare with: one constant bid, and those of published protocols."""
