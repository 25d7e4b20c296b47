"""Hyper-parameters of a training that are given by name: ``--set step_size=0.003``."""

from __future__ import annotations

import json
from collections.abc import Iterable
from dataclasses import asdict, fields
from typing import Any

from pydantic import TypeAdapter, ValidationError

from perturbations.errors import BadInput, UnknownName
from perturbations.training.config import TrainingConfig
from perturbations.weighting import weighting

WEIGHTING = "weighting."
"""What a hyper-parameter of the weighting begins with."""


def changed(config: TrainingConfig, settings: Iterable[str]) -> TrainingConfig:
    """``config`` with ``NAME=VALUE`` in place of its own; values are JSON or plain words.

    Raises:
        BadInput: no such form, or a value that is out of range or of another type.
        UnknownName: no such hyper-parameter.
    """
    given: dict[str, Any] = {}
    options = dict(config.weighting_options)
    known = [field.name for field in fields(TrainingConfig)]
    for setting in settings:
        name, equals, text = setting.partition("=")
        if not equals:
            raise BadInput(f"{setting!r} is not NAME=VALUE, such as step_size=0.003")
        if name.startswith(WEIGHTING):
            options[name.removeprefix(WEIGHTING)] = _value(text)
        elif name in known:
            given[name] = _value(text)
        else:
            raise UnknownName("hyper-parameter", name, known)
    try:
        made = TypeAdapter(TrainingConfig).validate_python(
            asdict(config) | {"weighting_options": tuple(options.items())} | given
        )
        weighting(made.weighting, targets=1, options=dict(made.weighting_options))
    except ValidationError as error:
        first = error.errors()[0]
        raise BadInput(f"{'.'.join(map(str, first['loc'])) or 'settings'}: {first['msg']}") from error
    except ValueError as error:
        raise BadInput(str(error)) from error
    return made


def _value(text: str) -> Any:
    try:
        return json.loads(text)
    except ValueError:
        return text
