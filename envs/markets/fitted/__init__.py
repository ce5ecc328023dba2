"""Markets fitted to a log: the fit, the model, the comparison, and the published numbers."""
