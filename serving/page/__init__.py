"""The control page of the admin listener: its files, what it shows, and the stream that keeps it live."""
