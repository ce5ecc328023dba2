"""Copies of a state folder while it is served, and what a restore must do so that no money is spent twice."""
