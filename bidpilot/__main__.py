"""`python -m bidpilot` is the same program as `bidpilot`."""

from bidpilot.training.cli import main

if __name__ == "__main__":
    main()
