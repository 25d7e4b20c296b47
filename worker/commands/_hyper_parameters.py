"""Hyper-parameters of a training that are given by name: ``--set step_size=0.003``."""

from __future__ import annotations

import json
import math
from collections.abc import Iterable
from dataclasses import asdict, fields
from typing import Any, Final

from pydantic import TypeAdapter, ValidationError

from perturbations.errors import BadInput, UnknownName
from perturbations.training.config import TrainingConfig
from perturbations.weighting import weighting

WEIGHTING: Final = "weighting."
"""What a hyper-parameter of the weighting begins with."""
ELSEWHERE: Final = ("epsilon", "seed", "steps", "weighting", "weighting_options")
"""Fields of the configuration that have an option or a form of their own."""


def changed(config: TrainingConfig, settings: Iterable[str]) -> TrainingConfig:
    """``config`` with ``NAME=VALUE`` in place of its own; values are JSON or plain words.

    Raises:
        BadInput: no such form, or a value that is out of range or of another type.
        UnknownName: no such hyper-parameter.
    """
    given: dict[str, Any] = {}
    options = dict(config.weighting_options)
    known = [field.name for field in fields(TrainingConfig) if field.name not in ELSEWHERE]
    for setting in settings:
        name, equals, text = setting.partition("=")
        if not equals:
            raise BadInput(f"{setting!r} is not NAME=VALUE, such as step_size=0.003")
        if name.startswith(WEIGHTING):
            options[name.removeprefix(WEIGHTING)] = _number(name, text)
        elif name in known:
            given[name] = _value(name, text)
        else:
            raise UnknownName("hyper-parameter", name, known)
    given["weighting_options"] = tuple(sorted(options.items()))
    try:
        made = TypeAdapter(TrainingConfig).validate_python(asdict(config) | given)
        weighting(made.weighting, targets=1, options=dict(made.weighting_options))
    except ValidationError as error:
        raise BadInput(_said(error)) from error
    except ValueError as error:
        raise BadInput(str(error)) from error
    return made


def _value(name: str, text: str) -> Any:
    try:
        value = json.loads(text)
    except ValueError:
        return text
    if isinstance(value, bool) or not all(map(math.isfinite, _numbers(value))):
        raise BadInput(f"{name}: {text} is not a value")
    return value


def _number(name: str, text: str) -> float:
    value = _value(name, text)
    if not isinstance(value, int | float):
        raise BadInput(f"{name}: {text!r} is not a number")
    return float(value)


def _numbers(value: Any) -> list[float]:
    """Every number in a value."""
    if isinstance(value, list):
        return [number for each in value for number in _numbers(each)]
    return [value] if isinstance(value, int | float) else []


def _said(error: ValidationError) -> str:
    first = error.errors()[0]
    place = ".".join(map(str, first["loc"]))
    message = first["msg"].removeprefix("Value error, ")
    return f"{place}: {message}" if place else message
