"""The command line. `main` is the whole program; `python -m bidpilot` calls the same function."""


def main() -> None:
    """Run the command line."""
    raise SystemExit("bidpilot: the commands are being written")
