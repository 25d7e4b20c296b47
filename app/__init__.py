"""The HTTP front end: it accepts photos, hands jobs to the worker and serves reports. It never imports torch."""
