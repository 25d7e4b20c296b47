"""The engine: targets to interrupt, weightings, training, applying, scoring. Knows nothing of the service around it."""

__version__ = "0.1.0"
