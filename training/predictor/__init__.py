"""The `fit-predictor` command: rates of a bid server's built-in predictor, learned from its decision log."""
