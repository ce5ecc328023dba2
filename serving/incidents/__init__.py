"""Incidents of a live campaign: three response levels with deadlines and undo, and a file for each case."""
