"""Controllers: pure NumPy step functions on bidding/ alone."""
