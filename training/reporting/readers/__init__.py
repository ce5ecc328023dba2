"""What a report is read from: runs, logs that are played, decisions of a bid server; all become one evidence."""
