"""Tests of what `wait_until_ready` shows."""
