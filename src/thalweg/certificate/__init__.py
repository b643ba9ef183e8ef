"""Publish results, verify them elsewhere, and retrain them here: one comparison against two references."""
