"""Clusters of rows: starting centres, k-means, and the choice among candidates."""
