"""The `report` command: one HTML file that says what the money bought."""
