"""Which package reads a URL, and its transport."""

from importlib.util import find_spec

from estimator_lab.data.storage.names import scheme_of, shown_name
from estimator_lab.data.storage.transport import Transport
from estimator_lab.errors import DataError

# scheme -> the package that fsspec needs for it; the extra 'remote' has those that are in _IN_EXTRA.
_PACKAGES = {
    'http': 'aiohttp',
    'https': 'aiohttp',
    's3': 's3fs',
    's3a': 's3fs',
    'gs': 'gcsfs',
    'gcs': 'gcsfs',
    'az': 'adlfs',
    'abfs': 'adlfs',
    'abfss': 'adlfs',
    'hf': 'huggingface_hub',
}
_IN_EXTRA = ('aiohttp', 's3fs', 'gcsfs')
# TensorFlow reads these by itself, or with a package of its own, as long as that of fsspec is not installed.
_TENSORFLOW = {'gs': 'tensorflow', 's3': 'tensorflow_io'}


def uses_fsspec(url: str) -> bool:
    """Whether fsspec reads a URL; if not, `tf.io.gfile` does.

    Raises:
      DataError: a package is missing.
    """
    scheme = scheme_of(url)
    package = _PACKAGES.get(scheme)
    if package is None:
        return False
    if all(find_spec(name) for name in ('fsspec', package)):
        return True
    if scheme in _TENSORFLOW and find_spec(_TENSORFLOW[scheme]):
        return False
    extra = "'estimator-lab[remote]'"
    what = extra if package in _IN_EXTRA else f'{extra} {package}'
    raise DataError(f'{shown_name(url)!r} is read by fsspec and {package}: pip install {what}')


def transport_of(url: str) -> Transport:
    """Returns the transport for a URL that `uses_fsspec`."""
    if _PACKAGES[scheme_of(url)] == 'aiohttp':
        from estimator_lab.data.storage.http import HttpTransport

        return HttpTransport(url)
    from estimator_lab.data.storage.object_store import ObjectTransport

    return ObjectTransport(url)
