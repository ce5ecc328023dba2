"""What trains agents: a folder for each kind, and what they share."""
