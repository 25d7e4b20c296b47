"""The HTTP front end: it takes photos in, hands jobs to the worker and gives reports out. It never imports torch."""
