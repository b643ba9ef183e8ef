"""Tables of results, a module each.

A module has the table's name. Its `TABLE` says how the table is built and what its columns hold.
"""
