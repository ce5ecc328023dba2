"""The `calibrate` command: a market is fitted to a log."""
