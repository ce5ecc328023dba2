"""What an environment pays for a slot, each kind a class that is given to it."""
