"""Benchmarks: whole processes, measured side by side on the same file."""
