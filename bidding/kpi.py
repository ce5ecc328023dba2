"""The KPI triple and its order: exposure, interaction, conversion. Always in that order."""

from __future__ import annotations

from typing import Final

EXPOSURE: Final = 0
INTERACTION: Final = 1
CONVERSION: Final = 2
KPI: Final = ("exposure", "interaction", "conversion")
