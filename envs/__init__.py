"""Logs, markets, clearing kernels and Gymnasium environments."""
