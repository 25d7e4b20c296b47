"""Generators between files and memory: official layouts, our own, public ones to fetch."""
