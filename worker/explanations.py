"""Turns the engine's errors into sentences for people."""

from __future__ import annotations


def sentence(error: Exception) -> str:
    """What ``error`` says, with a capital letter and a full stop: the detail of a problem."""
    text = str(error)
    text = text[:1].upper() + text[1:]
    return text if text.endswith((".", "!", "?")) else text + "."
