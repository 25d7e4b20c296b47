"""Trains the small face detector that the package ships: ``python -m perturbations.lab.detector``."""
