"""Reviews the traffic sources of a recorded log."""
