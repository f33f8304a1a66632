"""Tests of the rule table."""
