"""The forecast, and what is read off it: bid landscape, curves, bins, shading."""
