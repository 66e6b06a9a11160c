"""Packaging of estimator_lab; the settings of the tools are in pyproject.toml."""

from pathlib import Path

from setuptools import find_packages, setup

# tensorflow-estimator, tf-keras and tensorboard were parts of TensorFlow that now ship apart from it.
RUNTIME = [
    'tensorflow>=2.15,<2.22',
    'tensorflow-estimator==2.15.0',
    'tf-keras>=2.15,<2.22',
    'tensorboard>=2.15',
    'numpy>=1.23',
    'pillow>=9.1',
    'absl-py>=1.4',
]
# pytest-xdist runs a file of tests on each core: most of them wait for TensorFlow to start.
TEST = [
    'pytest>=8',
    'pytest-xdist>=3.5',
    'ruff>=0.8',
    'mypy>=1.11',
    'scikit-learn>=1.4',
    'pandas>=2.1',
    'pyyaml>=6',
    'nbclient>=0.8',
    'ipykernel>=6',
]
# The part of tf.contrib that estimator_lab.contrib has not itself: slim, arg_scope, convolutions.
CONTRIB = ['tf-slim>=1.1']
# What the benchmarks compare with; on a machine without a GPU, PyTorch's builds for processors will do.
BENCH = ['torch>=2.2', 'torchvision>=0.17', 'webdataset>=0.2']

setup(
    name='estimator-lab',
    version='0.1.0',
    description="The TF1 Estimator on today's TensorFlow, training classic networks from image archives",
    long_description=Path(__file__).with_name('README.md').read_text(encoding='utf-8'),
    long_description_content_type='text/markdown',
    packages=find_packages(include=['estimator_lab', 'estimator_lab.*']),
    package_data={'estimator_lab': ['py.typed', 'inference/report/page.html']},
    python_requires='>=3.10,<3.14',
    install_requires=RUNTIME,
    entry_points={'console_scripts': ['estimator_lab=estimator_lab.__main__:main']},
    extras_require={'contrib': CONTRIB, 'test': TEST, 'bench': BENCH},
    classifiers=[
        'Programming Language :: Python :: 3',
        'Topic :: Scientific/Engineering :: Artificial Intelligence',
    ],
)
