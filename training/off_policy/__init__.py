"""Off-policy: what a candidate would have brought on served days, of which the log tells what was won alone."""
