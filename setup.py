"""Refuses to build a checkout without links, which would make an empty package; all else is in pyproject.toml."""

import runpy

from setuptools import setup

runpy.run_path("bidpilot/checkout.py")["require_links"]("bidpilot")
setup()
