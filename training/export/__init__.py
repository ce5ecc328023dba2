"""Export of policy bundles."""
