"""The calculus of one variable that optimisation begins with: polynomials, Newton's method, extrema on an interval."""
