"""What a campaign may insist on."""
