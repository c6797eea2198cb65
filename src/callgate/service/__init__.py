"""Use cases: only here are steps ordered and transactions opened."""
