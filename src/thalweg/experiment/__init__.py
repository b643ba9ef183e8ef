"""The experiment file: its schema, how it is read, and every mistake in it."""
