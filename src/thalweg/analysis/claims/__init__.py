"""Claims, judged: what each comes to on the runs that there are, its interval, and the verdict that follows from it.

Nothing is trained for a claim. The unit is a seed: all runs that a claim compares or measures at a seed give one
number, and the interval is that of the median of these numbers over seeds. Problems may contradict each other, so that
a claim about several is judged on each by itself.

`runs` holds what claims are judged on, `pairing` pairs the runs of two sets of cells, `effects` finds a claim's effect
with its interval (a `finding`), `verdicts` judges it, and `table` puts all of that into the tables of claims.
"""
