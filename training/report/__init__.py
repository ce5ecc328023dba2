"""Figures and tables. Importing this package imports neither matplotlib nor rich."""
