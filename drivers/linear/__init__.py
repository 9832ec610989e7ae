"""Linear models: from the statistics of a pass to coefficients, choices among them, and what can be said of them."""
