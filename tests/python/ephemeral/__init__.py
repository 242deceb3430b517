"""Workloads for the time of a block."""
