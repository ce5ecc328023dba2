"""What a campaign may insist on: one class for each constraint, listed in `catalogue`, asked through `together`."""
