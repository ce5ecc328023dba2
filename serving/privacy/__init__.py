"""What is kept of whom, and for how long: the audit log, retention, deletion, encryption at rest, the inventory."""
