"""The day under way: statistics, beliefs, re-plan, steering, observation, action."""
