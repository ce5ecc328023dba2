"""Agents: what decides, and the learners that train it."""
