"""What training leaves on disk: where it lies, how it is written, and what keeps it whole."""
