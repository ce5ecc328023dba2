"""Markets over recorded days: as they were, and recombined for training."""
