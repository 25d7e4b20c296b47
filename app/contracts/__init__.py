"""What the front end and the worker promise each other: names, reports, problems, settings, job records and blobs.

Everything here is light: no web framework, no torch, no task queue.
"""
