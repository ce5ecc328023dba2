"""Traffic by source: which requests are bid on, and for how much of their value."""
