"""Generalised linear models on the driver: starts, steps, inference, evaluation."""
