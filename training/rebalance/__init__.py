"""Solve a portfolio again each night from what its campaigns have spent and brought, and give servers the budgets."""
