"""The plan of a day to come: reference coefficients, ideal point, budget curve, shadow prices."""
