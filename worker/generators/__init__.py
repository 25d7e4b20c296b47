"""Generators from outside: tried in a process of their own, under limits, before anything loads them."""
