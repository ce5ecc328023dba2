"""bidpilot: learned bids and budgets for short-video promotion in real-time auctions."""

__version__ = "0.1.0"
