"""What runs things: train, evaluate, track, export, report."""
