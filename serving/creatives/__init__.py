"""What a campaign shows: creatives as they are configured, checked when they are loaded, and filled in for a bid."""
