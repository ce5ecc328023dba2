"""Watching a campaign's day: bands of the forecast, the scan that holds slots against them, and what it tells."""
