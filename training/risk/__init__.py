"""The risk register: how likely each risk is, by suites and by incident files, and what it costs."""
