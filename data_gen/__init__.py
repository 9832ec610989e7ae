"""Generators of demonstration and test data: rows of text and, beside them, the truth they were made from."""
