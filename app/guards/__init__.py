"""Guards before the routes: who may send requests, how often, how many bytes, and how slowly."""
