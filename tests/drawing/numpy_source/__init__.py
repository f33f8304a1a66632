"""Tests of the source that is printed."""
