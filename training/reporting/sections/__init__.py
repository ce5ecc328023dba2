"""The sections of a report, a file each: from the evidence to charts and tables, or to one line of what is missing."""
