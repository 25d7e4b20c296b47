"""What ``docker-compose.yml`` says once its variables are filled in, as Docker would read it."""

from __future__ import annotations

import re
import shlex
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import yaml

ROOT: Final = Path(__file__).parents[2]
_VARIABLE: Final = re.compile(r"\$(?:\$|\{(?P<name>\w+)(?:(?P<rule>:[-?])(?P<word>[^}]*))?\})")


class Missing(Exception):
    """A variable that must be set is not."""


def compose(environment: Mapping[str, str]) -> dict[str, Any]:
    """The whole document. Raises ``Missing`` where ``environment`` lacks what it requires."""
    text = (ROOT / "docker-compose.yml").read_text()
    document: dict[str, Any] = _filled(yaml.safe_load(text), environment)
    return document


def _filled(node: Any, environment: Mapping[str, str]) -> Any:
    if isinstance(node, dict):
        return {key: _filled(value, environment) for key, value in node.items()}
    if isinstance(node, list):
        return [_filled(value, environment) for value in node]
    return _VARIABLE.sub(lambda found: _value(found, environment), node) if isinstance(node, str) else node


def _value(found: re.Match[str], environment: Mapping[str, str]) -> str:
    if found[0] == "$$":
        return "$"
    value = environment.get(found["name"], "")
    if value or found["rule"] is None:
        return value
    if found["rule"] == ":?":
        raise Missing(f"{found['name']}: {found['word']}")
    return found["word"]


@dataclass(frozen=True, slots=True)
class Part:
    """A service: its name and what the file says of it."""

    name: str
    said: dict[str, Any]

    @property
    def command(self) -> list[str]:
        """The command as a list of words; a string is split as Docker splits it, without a shell."""
        command = self.said["command"]
        return shlex.split(command) if isinstance(command, str) else [str(word) for word in command]

    @property
    def health(self) -> list[str]:
        """The command that tells whether it is healthy."""
        kind, *words = self.said["healthcheck"]["test"]
        assert kind in {"CMD", "CMD-SHELL"}
        return ["sh", "-c", *words] if kind == "CMD-SHELL" else [str(word) for word in words]

    @property
    def environment(self) -> dict[str, str]:
        """Its settings, from its environment."""
        return {name: str(value) for name, value in self.said.get("environment", {}).items()}

    @property
    def waits_for(self) -> set[str]:
        """The services that must be healthy before it starts."""
        return set(self.said.get("depends_on", {}))


def parts(environment: Mapping[str, str], *, profiles: frozenset[str] = frozenset()) -> dict[str, Part]:
    """The services that start with these profiles, each after those it waits for."""
    services = compose(environment)["services"]
    started = {
        name: Part(name, said)
        for name, said in services.items()
        if not said.get("profiles") or profiles.intersection(said["profiles"])
    }
    ordered: dict[str, Part] = {}
    while rest := [part for part in started.values() if part.name not in ordered]:
        free = [part for part in rest if part.waits_for <= ordered.keys()]
        assert free, f"these wait for each other, or for what does not start: {[part.name for part in rest]}"
        ordered.update((part.name, part) for part in free)
    return ordered
