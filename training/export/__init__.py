"""From a run to a bundle, to the registry, and to the champion."""
