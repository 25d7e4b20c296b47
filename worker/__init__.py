"""The command line and the Celery worker: the only package that sees both the service's contract and the engine."""
