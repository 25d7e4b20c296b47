"""Trainings an administrator asks for, and whether their outcome becomes the active version."""
