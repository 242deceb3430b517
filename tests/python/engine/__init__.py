"""Tests of the bundled engine and its models."""
