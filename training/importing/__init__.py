"""The `import` command: recorded auctions become a log."""
