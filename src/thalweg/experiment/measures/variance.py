"""How much of the variance between tuning runs is due to a factor of the grid."""

from thalweg.experiment.measures.base import FactorMeasure


class ShareOfVariance(FactorMeasure):
    """The share that is due to the factor alone."""

    grammar = "share of variance"
    meaning = (
        "of a factor: its share of the variance of the tuning runs' ranks in final validation loss; the learning rate, "
        "and with it what else is searched, is nested in its optimizer"
    )
    forms = examples = ("share of variance",)
    place = 10
    with_interactions = False


class ShareOfVarianceWithInteractions(FactorMeasure):
    """The share that is due to the factor and to all interactions that it takes part in."""

    grammar = "share of variance with interactions"
    meaning = "the same together with the shares of all interactions that the factor takes part in"
    forms = examples = ("share of variance with interactions",)
    place = 11
    with_interactions = True
