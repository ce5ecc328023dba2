"""Frequency caps: how often a campaign or a creative is shown to one person, and what is remembered for that."""
