"""Recipes: what the steps are to be, what they learn of a table, and the file that holds them."""
