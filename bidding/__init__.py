"""What a deployed bidder needs: NumPy and pydantic alone."""
