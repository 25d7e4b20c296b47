"""Generators from outside. Each is checked in a separate, limited process before it is loaded anywhere else."""
