"""Logs, markets, clearing kernels and Gymnasium environments, which `import bidpilot` registers."""
