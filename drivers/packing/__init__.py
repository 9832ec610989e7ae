"""Packing: a table is parsed once, into typed blocks that every later pass reads.

sources -> chunks (cut at record ends) -> columns (pyarrow) -> blocks + manifest -> cache
"""
