"""Administrators' keys: several at once, plain or hashed, and never revealed."""

from __future__ import annotations

import hashlib

import pytest

from app.contracts.admin_keys import is_known, key_digests
from app.contracts.settings import BadSettings, load_settings

HASHED = "sha256:" + hashlib.sha256(b"second").hexdigest()


def test_every_key_of_the_list_opens() -> None:
    digests = key_digests(f"first, {HASHED}")
    assert is_known("first", digests)
    assert is_known("second", digests)


@pytest.mark.parametrize("wrong", ["", "First", "first ", HASHED, "third", "ключ", "\udce9"])
def test_nothing_else_opens(wrong: str) -> None:
    assert not is_known(wrong, key_digests(f"first,{HASHED}"))


def test_without_a_list_nothing_opens() -> None:
    assert key_digests(None) == ()
    assert not is_known("", ())


@pytest.mark.parametrize("keys", ["first,", ",", "sha256:abc", "sha256:" + "g" * 64])
def test_unusable_lists_are_refused_without_repeating_them(monkeypatch: pytest.MonkeyPatch, keys: str) -> None:
    monkeypatch.setenv("POISE_ADMIN_KEYS", keys)
    with pytest.raises(BadSettings, match="POISE_ADMIN_KEYS") as error:
        load_settings()
    assert "first" not in str(error.value)
