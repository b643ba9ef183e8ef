"""What is to be run: the experiment file, its expansion into runs, and what makes a run the same run."""
