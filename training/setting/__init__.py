"""What a command plays on: market, forecast and campaign, of a preset or of a recorded log."""
