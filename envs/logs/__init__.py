"""Auction logs: the columnar struct, its files and the importers."""
