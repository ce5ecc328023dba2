"""Markets: whatever yields days of auctions."""
