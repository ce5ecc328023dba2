"""Published protocols: their rules, and the bidders that the literature printed numbers for."""
