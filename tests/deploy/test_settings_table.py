"""The table of settings in ``docs/deploy.md`` is what the code says."""

from __future__ import annotations

import pytest
from pydantic_core import PydanticUndefined

from app.contracts.settings import PREFIX, Settings, load_settings
from tests.deploy.composition import ROOT

BEGIN = "<!-- settings: compared with the code by a test -->\n"
END = "<!-- /settings -->"


def table() -> str:
    """One row a setting, in the order of the code."""
    rows = ["| variable | default | what |", "|---|---|---|"]
    for name, field in Settings.model_fields.items():
        assert field.default is not PydanticUndefined, f"{name} has no default"
        default = "" if field.default is None else f"`{field.default}`"
        rows.append(f"| `{PREFIX}{name.upper()}` | {default} | {field.description} |")
    return "".join(f"{row}\n" for row in rows)


def test_table_is_up_to_date() -> None:
    text = (ROOT / "docs" / "deploy.md").read_text()
    assert text[text.index(BEGIN) + len(BEGIN) : text.index(END)] == table(), "put this there:\n" + table()


def test_every_setting_is_described() -> None:
    assert [name for name, field in Settings.model_fields.items() if not field.description] == []


def test_empty_is_not_set(monkeypatch: pytest.MonkeyPatch) -> None:
    """A compose file passes what its user did not say as an empty value."""
    for name in Settings.model_fields:
        monkeypatch.delenv(f"{PREFIX}{name.upper()}", raising=False)
    before = load_settings()
    for name in Settings.model_fields:
        monkeypatch.setenv(f"{PREFIX}{name.upper()}", "")
    assert load_settings() == before
