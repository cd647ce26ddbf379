"""Priors: distributions as data, hyperparameters, joint priors, and the random variables made of them."""
