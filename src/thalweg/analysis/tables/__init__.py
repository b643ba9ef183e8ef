"""Tables of results, one module each."""
