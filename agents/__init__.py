"""Agents: controllers, imitation, PPO."""
