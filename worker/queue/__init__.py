"""Celery and what its tasks do: the application, the child processes, the stages of a job, the sweeper."""
