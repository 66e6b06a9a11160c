"""Accuracy of the defaults on small data sets, next to scikit-learn on the same pixels.

python benchmarks/anyones_images.py [--models=mlp,cnn] [--train=mnist-train.tar.gz --test=mnist-test.tar.gz]
"""

import tempfile
from pathlib import Path

from runner import command_line, machine
from small_sets import Split, all_sets

from estimator_lab import api


def accuracy_of(model: str, split: Split, seed: int) -> float:
    """Trains a model at its defaults; returns its accuracy on the test images."""
    with tempfile.TemporaryDirectory() as folder:
        test = (split.x_test, split.y_test)
        data = (split.x, split.y)
        run = api.fit(model, data, eval_data=test, model_dir=Path(folder, 'run'), say=None, seed=seed)
        return float(run.metrics['accuracy'])


def baselines(split: Split) -> list[float]:
    """Returns the accuracies of scikit-learn's logistic regression and support-vector machine."""
    from sklearn.linear_model import LogisticRegression
    from sklearn.svm import SVC

    x, x_test = (images.reshape(len(images), -1) / 255 for images in (split.x, split.x_test))
    return [
        float(each.fit(x, split.y).score(x_test, split.y_test))
        for each in (LogisticRegression(max_iter=1000), SVC())
    ]


def main() -> None:
    """Prints a row for each data set."""
    flags = {
        'models': ('mlp,cnn,recurrent,dbn', 'names of classifiers'),
        'train': ('', 'training archive of MNIST'),
        'test': ('', 'test archive of MNIST'),
        'seed': (1, ''),
    }
    given = command_line(__doc__, **flags).parse_args()
    models = given.models.split(',')
    print(machine('scikit-learn'))
    print(f'{"":<24}', *(f'{name:>10}' for name in (*models, 'logistic', 'SVC')))
    for name, split in all_sets(given.train, given.test):
        found = [accuracy_of(model, split, given.seed) for model in models]
        print(f'{name:<24}', *(f'{value:>10.3f}' for value in (*found, *baselines(split))), flush=True)


if __name__ == '__main__':
    main()
