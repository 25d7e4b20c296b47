"""The engine: targets to interrupt, weightings, training, applying, scoring. It knows nothing of the service."""

__version__ = "0.1.0"
