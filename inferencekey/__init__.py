"""Declare, serve and call AI model workloads."""
