"""Charts of a report: what they show, apart from how they are drawn."""
