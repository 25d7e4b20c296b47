"""Who a client is, and how often it may ask."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from app.contracts.problems import RateLimited
from app.contracts.settings import BadSettings, Settings, load_settings, parse_networks
from app.guards.limits import Client, Limiter, client_at
from tests.service.conftest import Bench
from tests.service.helpers.front_end import serving

ONE = Client("203.0.113.7", near=False)
OTHER = Client("203.0.113.8", near=False)
NEAR = Client("127.0.0.1", near=True)
PROXIES = parse_networks("10.0.0.0/8, 2001:db8::1")


def limiter(bench: Bench, rate: str | None) -> Limiter:
    return Limiter(bench.redis, Settings(redis_url=bench.settings.redis_url, rate_limit=rate))


@given(st.lists(st.ip_addresses().map(str) | st.text("0123456789.:,xyz", max_size=12), max_size=4))
def test_forwarded_counts_only_from_a_proxy(hops: list[str]) -> None:
    assert client_at("203.0.113.7", [", ".join(hops)], PROXIES).address == "203.0.113.7"
    assert client_at("203.0.113.7", [", ".join(hops)], ()).address == "203.0.113.7"


@pytest.mark.parametrize(
    ("forwarded", "address"),
    [
        ([], "10.0.0.2"),
        (["198.51.100.1"], "198.51.100.1"),
        (["198.51.100.66, 198.51.100.1"], "198.51.100.1"),  # the first is what the client has written
        (["198.51.100.66", "198.51.100.1, 10.0.0.9"], "198.51.100.1"),
        (["10.0.0.8, 10.0.0.9"], "10.0.0.8"),
        (["198.51.100.66, nonsense, 10.0.0.9"], "10.0.0.9"),
        (["nonsense"], "10.0.0.2"),
        (["2001:db8:0:1:2::3"], "2001:db8:0:1::/64"),
        (["198.51.100.1, [2001:db8::1]"], "198.51.100.1"),
        (["::ffff:198.51.100.1"], "198.51.100.1"),
    ],
)
def test_client_is_the_last_hop_that_is_no_proxy(forwarded: list[str], address: str) -> None:
    assert client_at("10.0.0.2", forwarded, PROXIES) == Client(address, near=False)


def test_only_a_client_of_this_machine_is_near() -> None:
    assert client_at("127.0.0.1", [], ()).near
    assert client_at("::1", [], ()).near
    assert client_at(None, [], ()).near
    assert not client_at("127.0.0.1", ["198.51.100.1"], ()).near
    assert not client_at("127.0.0.1", ["127.0.0.1"], parse_networks("127.0.0.1")).near
    assert not client_at("192.168.0.2", [], ()).near


def test_each_client_has_its_own_budget(bench: Bench) -> None:
    limits = limiter(bench, "3/hour")
    left = [limits.hit("uploads", ONE) for _ in range(3)]
    assert [budget and budget.remaining for budget in left] == [2, 1, 0]
    with pytest.raises(RateLimited) as refusal:
        limits.hit("uploads", ONE)
    assert 0 < int(refusal.value.headers["Retry-After"]) <= 3600
    assert limits.hit("uploads", OTHER)
    assert limits.hit("reads", ONE)


def test_a_batch_costs_what_it_holds(bench: Bench) -> None:
    limits = limiter(bench, "10/hour")
    limits.hit("uploads", ONE, cost=8)
    with pytest.raises(RateLimited):
        limits.hit("uploads", ONE, cost=3)
    assert limits.hit("uploads", ONE, cost=2)
    assert limits.hit("uploads", OTHER, cost=50)


def test_near_clients_are_spared_until_a_limit_is_set(bench: Bench) -> None:
    assert limiter(bench, None).hit("uploads", NEAR) is None
    assert limiter(bench, None).hit("uploads", ONE) is not None
    assert limiter(bench, "3/hour").hit("uploads", NEAR) is not None
    assert limiter(bench, "off").hit("uploads", ONE) is None


def test_attempts_at_keys_are_counted_for_everybody(bench: Bench) -> None:
    limits = limiter(bench, "off")
    for _ in range(10):
        limits.check("keys", NEAR)
        limits.hit("keys", NEAR)
    with pytest.raises(RateLimited):
        limits.check("keys", NEAR)
    limits.check("keys", ONE)


def test_refusal_over_http(bench: Bench, astronaut_png: bytes) -> None:
    files = {"image": ("photo", astronaut_png)}
    with serving(bench, rate_limit="2/hour") as client:
        first = client.post("/v1/protections", files=files)
        assert first.status_code == 202
        assert first.headers["RateLimit-Policy"] == '"uploads";q=2;w=3600'
        assert first.headers["RateLimit"].startswith('"uploads";r=1;t=')
        client.post("/v1/protections", files=files)
        over = client.post("/v1/protections", files=files)
        assert (over.status_code, over.json()["type"]) == (429, "/problems/rate-limited")
        assert int(over.headers["Retry-After"]) > 0
        forged = client.post("/v1/protections", files=files, headers={"X-Forwarded-For": "198.51.100.1"})
        assert forged.status_code == 429
        assert client.get(first.headers["Location"]).status_code == 200
        assert client.get("/livez").status_code == 200
    with serving(bench, rate_limit="2/hour", trusted_proxies="127.0.0.0/8") as client:
        through = client.post("/v1/protections", files=files, headers={"X-Forwarded-For": "198.51.100.1"})
        assert through.status_code == 202


@pytest.mark.parametrize(
    ("name", "value"),
    [("POISE_RATE_LIMIT", "many"), ("POISE_RATE_LIMIT", "0/minute"), ("POISE_TRUSTED_PROXIES", "10.0.0.0/8, here")],
)
def test_unusable_settings_are_named(monkeypatch: pytest.MonkeyPatch, name: str, value: str) -> None:
    monkeypatch.setenv(name, value)
    with pytest.raises(BadSettings, match=name):
        load_settings()
