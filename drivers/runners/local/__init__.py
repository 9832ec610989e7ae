"""Processes on this machine, one a core."""
