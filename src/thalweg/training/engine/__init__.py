"""What computes a run. A run's identity covers these sources."""
