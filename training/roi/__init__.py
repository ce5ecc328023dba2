"""What money bought and what that was worth: by channel, tier, source and hour, each rate with its interval."""
