"""The command line and the Celery worker: the one place that sees both the service's contract and the engine."""
