"""What decides: controllers and policies, in NumPy on `bidding/` alone, so that a bid server may import it."""
