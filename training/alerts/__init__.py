"""Bands of a campaign's day: learnt from training days, and held to their bars on others."""
