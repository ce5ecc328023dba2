"""Convex programs and exact bounds."""
