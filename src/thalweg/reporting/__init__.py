"""How results are shown: figures and pages, made from the tables alone."""

PAGES = ("index", "cells", "methods", "data", "cost")
"""The pages that every report has one of, beside those of its problems and cells. Importing it loads no pandas."""

FILES = ("style.css", "table.js")
"""What the pages use, as it lies beside their templates."""

SUMMARY = "summary.json"
"""What a report says of itself to the index over all experiments."""
