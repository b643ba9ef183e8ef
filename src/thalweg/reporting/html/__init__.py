"""The pages of a report, and the files that describe it to other programs."""
