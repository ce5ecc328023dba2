"""Many campaigns at once: a folder of campaign files or logs, planned, judged and evaluated."""
