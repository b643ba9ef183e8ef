"""How results are shown: figures and pages, made from the tables alone."""
