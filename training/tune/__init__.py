"""Tuning the learners and the baselines alike: as many trials for each, on training days only."""
