"""Optimizers that use curvature: L-BFGS, nonlinear conjugate gradients and Hessian-free optimization."""
