"""The Gymnasium environments, and the day of B campaigns that they step."""
