"""What an agent remembers between two slots of a day, as plain data."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

State = dict[str, NDArray[np.floating[Any]]]
"""Name to an array whose first axis is the row: (B,) of a controller, (B, H) of a network with memory; {} of none.

No function changes a state that it is given: each gives a new one back.
"""
