"""Models that do something in another way than the package's."""

from estimator_lab.core.model import AnyModel


def altered(model: AnyModel, **functions) -> AnyModel:
    """Returns a model of the same class but for these functions."""
    methods = {name: staticmethod(function) for name, function in functions.items()}
    return type('Altered', (type(model),), methods)()
