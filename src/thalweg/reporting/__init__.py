"""How results are shown: figures and pages, made from the tables alone."""

PAGES = ("index", "cells", "methods", "data", "cost")
"""The pages that every report has one of, beside those of its problems and cells. Importing it loads no pandas."""

FILES = ("style.css", "table.js")
"""What the pages use, as it lies beside their templates."""

SUMS = ("SHA256SUMS", "SHA256SUMS.measured")
"""Checksums of every file of a report: of what is the same whenever it is made, and of what a clock had a part in."""

PROVENANCE = ("ro-crate-metadata.json", "cite.bib", *SUMS)
"""What lies in a report for other programs to read."""

SUMMARY = "summary.json"
"""What a report says of itself to the index over all experiments."""
