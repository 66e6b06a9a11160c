"""Stands in for TPU modules that TensorFlow 2.16 deleted: their names import, and refuse to be used.

``tensorflow_estimator`` imports these modules and some of their classes at its start, but makes and calls
them on a TPU only. The file is loaded once for each module; ``__name__`` is then the deleted module's.
"""


class RemovedFromTensorFlow:
    """Base of the stand-ins: a class that can be named, tested for and subclassed, but not made."""

    def __new__(cls, *args: object, **kwargs: object) -> 'RemovedFromTensorFlow':
        raise NotImplementedError(
            f'{cls.__module__}.{cls.__name__} was deleted in TensorFlow 2.16: training an Estimator on a '
            'TPU needs TensorFlow 2.15.'
        )


def removed(name: str, module: str) -> type[RemovedFromTensorFlow]:
    """Returns the stand-in for `module`.`name`."""
    return type(name, (RemovedFromTensorFlow,), {'__module__': module})


def __getattr__(name: str) -> type[RemovedFromTensorFlow]:
    if name.startswith('__'):
        raise AttributeError(name)
    return globals().setdefault(name, removed(name, __name__))
