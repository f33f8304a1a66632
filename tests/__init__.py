"""The tests; they lie as the modules of autotensor that they test."""
