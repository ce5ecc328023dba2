"""KPI profiles by platform: which there are, and which weights the last quarter's orders speak for."""
