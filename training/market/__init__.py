"""What becomes of a market in which every bidder uses the same policy."""
