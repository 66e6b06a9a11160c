"""L-BFGS and conjugate gradients find minima of classic functions, in about as many evaluations as SciPy."""

import numpy as np
import pytest
from scipy.optimize import minimize

from estimator_lab.optimizers import ConjugateGradientOptimizer, LBFGSOptimizer
from tests.optimizers.second_order.problems import CLASSICS, run, softmax_regression

pytestmark = pytest.mark.trains


@pytest.mark.parametrize(('method', 'iterations'), [(LBFGSOptimizer, 60), (ConjugateGradientOptimizer, 80)])
@pytest.mark.parametrize('name', CLASSICS)
def test_classic_functions(name, method, iterations):
    loss_of, start, minimum = CLASSICS[name]
    seen = run(method(iterations=iterations), loss_of, start, 1)
    assert seen.weights[-1] == pytest.approx(minimum, abs=1e-6)


@pytest.mark.slow
@pytest.mark.parametrize(
    ('method', 'scipys', 'options', 'most'),
    [
        (LBFGSOptimizer, 'L-BFGS-B', {'maxcor': 10, 'ftol': 1e-13, 'gtol': 1e-7}, 1.1),
        (ConjugateGradientOptimizer, 'CG', {'gtol': 1e-7}, 1.5),
    ],
)
def test_softmax_regression_against_scipy(method, scipys, options, most):
    problem = softmax_regression()
    start = np.zeros(problem.inputs.shape[1] * problem.classes)
    theirs = minimize(problem.value_and_gradient, start, jac=True, method=scipys, options=options)
    ours = run(method(iterations=theirs.nit), problem.tensor, start, 1)
    loss, _ = problem.value_and_gradient(ours.weights[-1])
    assert loss == pytest.approx(theirs.fun, rel=1e-9)
    assert ours.total('evaluations') <= most * theirs.nfev
