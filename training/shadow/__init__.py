"""Compares what a shadow policy would have bid with what was bid, from a bid server's decision log."""
