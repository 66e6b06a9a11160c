"""Packages estimator_lab; pyproject.toml configures the development tools."""

import runpy
from pathlib import Path

from setuptools import find_packages, setup

_ROOT = Path(__file__).parent

_VERSIONS = runpy.run_path(str(_ROOT / 'estimator_lab/base/version.py'))
_OLDEST, (_MAJOR, _MINOR) = _VERSIONS['OLDEST_TENSORFLOW'], _VERSIONS['NEWEST_TENSORFLOW']
_TENSORFLOW = f'>={_OLDEST[0]}.{_OLDEST[1]},<{_MAJOR}.{_MINOR + 1}'

# tensorflow-estimator, tf-keras, tensorboard and tf-slim were once part of TensorFlow.
RUNTIME = [
    f'tensorflow{_TENSORFLOW}',
    'tensorflow-estimator==2.15.0',
    f'tf-keras{_TENSORFLOW}',
    'tensorboard>=2.15',
    'tf-slim>=1.1',
    'numpy>=1.23',
    'pillow>=9.1',
    'absl-py>=1.4',
]
# Builds the site: runs the examples and the notebook, and makes the pages. Ruff formats the signatures.
DOCS = ['mkdocs-material>=9.5,<10', 'mkdocstrings[python]>=0.26', 'ruff>=0.8', 'nbclient>=0.8']
DOCS += ['ipykernel>=6']
# docs/trained_models.md converts an export for ONNX Runtime.
DOCS += ['tf2onnx>=1.17', 'onnxruntime>=1.20']
# Reads archives over the web and from object stores: s3://, gs://, az:// and hf://.
REMOTE = ['fsspec>=2024.2', 'aiohttp>=3.9', 's3fs>=2024.2', 'gcsfs>=2024.2', 'adlfs>=2024.2']
REMOTE += ['huggingface_hub>=0.23']
# Opens .safetensors of PyTorch's users.
SAFETENSORS = ['safetensors>=0.4']
# Runs examples/ray_train.py and ray_predict.py.
RAY = ['ray[data,train]>=2.50']
# What `make test` needs. pytest-xdist runs test files in parallel: most tests wait for TensorFlow to start.
TEST = [
    'pytest>=8',
    'pytest-timeout>=2.3',
    'pytest-xdist>=3.5',
    'hypothesis>=6.100',
    'ruff>=0.8',
    'mypy>=1.11',
    'import-linter>=2.1',
    'scikit-learn>=1.4',
    'pandas>=2.1',
    'pyyaml>=6',
    'fsspec>=2024.2',
    'aiohttp>=3.9',
    *SAFETENSORS,
]
# What the tests of `make test-all` also need. moto answers as Amazon S3 does. aiobotocore, which s3fs needs,
# comes first because it admits few versions of boto3: otherwise pip tries all versions of both, for hours.
TEST_ALL = [*TEST, *DOCS, 'aiobotocore>=2.19', 's3fs>=2025.2', 'moto[s3]>=5', 'flask>=3', 'flask-cors>=5']
# Ray and Grain in the newest environment only: older TensorFlow needs an older protobuf.
TEST_ALL += [f'{RAY[0]}; python_version >= "3.12"', 'grain>=0.2.12; python_version >= "3.12"']
# Which branches and lines each test runs: `python -m tests.coverage`.
TEST_ALL += ['pytest-cov>=6']
# Opens examples/tour.ipynb.
NOTEBOOK = ['jupyterlab>=4']
# Libraries that the benchmarks compare with. PyTorch's CPU builds are sufficient.
BENCH = [
    'torch>=2.2',
    'torchvision>=0.17',
    'torchdata>=0.8',
    'webdataset>=0.2,<1',  # 1.0 has no wids
    'grain>=0.2.12',
    'nvidia-dali-cuda120; sys_platform == "linux"',
    'scikit-learn',
    *SAFETENSORS,
]
# TensorFlow's own extra with the CUDA libraries.
CUDA = [f'tensorflow[and-cuda]{_TENSORFLOW}']
# libFuzzer, for tests/robustness/coverage_fuzz.py.
FUZZ = ['atheris>=3; sys_platform == "linux"']

setup(
    name='estimator-lab',
    version=_VERSIONS['__version__'],
    description="The TF1 Estimator on today's TensorFlow, training classic networks from image archives",
    long_description=(_ROOT / 'README.md').read_text(encoding='utf-8'),
    long_description_content_type='text/markdown',
    packages=find_packages(include=['estimator_lab', 'estimator_lab.*']),
    package_data={'estimator_lab': ['py.typed', 'inference/report/page.html']},
    python_requires='>=3.10,<3.14',
    install_requires=RUNTIME,
    entry_points={'console_scripts': ['estimator_lab=estimator_lab.__main__:program']},
    extras_require={
        'remote': REMOTE,
        'safetensors': SAFETENSORS,
        'notebook': NOTEBOOK,
        'ray': RAY,
        'docs': DOCS,
        'test': TEST,
        'test-all': TEST_ALL,
        'cuda': CUDA,
        'bench': BENCH,
        'fuzz': FUZZ,
    },
    # The licence and the address of the project are the owner's to add, here and in CITATION.cff.
    keywords='tensorflow estimator tf.estimator tf.contrib tar streaming boltzmann deep-belief-network',
    classifiers=[
        'Development Status :: 4 - Beta',
        'Intended Audience :: Developers',
        'Intended Audience :: Science/Research',
        'Operating System :: POSIX :: Linux',
        'Programming Language :: Python :: 3',
        *(f'Programming Language :: Python :: 3.{minor}' for minor in range(10, 14)),
        'Topic :: Scientific/Engineering :: Artificial Intelligence',
    ],
)
