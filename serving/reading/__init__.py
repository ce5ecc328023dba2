"""Bodies of exchanges as they come: compressed or not, in the protocol's forms or in looser ones."""
