"""The week against the week before, and the scorecard of a campaign."""
