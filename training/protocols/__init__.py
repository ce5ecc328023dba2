"""Published protocols as commands."""
