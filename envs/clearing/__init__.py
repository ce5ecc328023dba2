"""Clearing: auctions in arrival order, and a day written out as the kernel sees it."""
