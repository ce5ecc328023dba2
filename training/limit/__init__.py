"""What a bidder who does not know the future can reach at most: a bound by information relaxation."""
