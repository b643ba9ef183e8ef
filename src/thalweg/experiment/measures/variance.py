"""How much of the variance between tuning runs is due to a factor of the grid."""

from thalweg.experiment.measures.base import FactorMeasure


class ShareOfVariance(FactorMeasure):
    """The share that is due to the factor alone."""

    grammar = "share of variance"
    examples = ("share of variance",)
    place = 9
    with_interactions = False


class ShareOfVarianceWithInteractions(FactorMeasure):
    """The share that is due to the factor and to all interactions that it takes part in."""

    grammar = "share of variance with interactions"
    examples = ("share of variance with interactions",)
    place = 10
    with_interactions = True
