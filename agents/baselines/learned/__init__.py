"""Published offline learners, trained by d3rlpy in an environment of its own and played by their weights alone."""
