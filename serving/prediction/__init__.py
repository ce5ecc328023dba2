"""Values of impressions that bring none: what a predictor sees of a request, who is asked, and what stands in."""
