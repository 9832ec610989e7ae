"""Scores of rows by a model file: the scorer of each kind of model, and the tables that they go to."""
