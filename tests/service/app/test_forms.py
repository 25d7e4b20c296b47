"""Forms as browsers, curl and mail programs write them, in pieces of any size."""

from __future__ import annotations

import httpx
import pytest
from hypothesis import given
from hypothesis import strategies as st
from python_multipart.exceptions import FormParserError

from app.guards.forms import Form, parser_of
from tests.service.app.test_answers import encoded
from tests.service.conftest import Bench
from tests.service.helpers.front_end import serving

DATA = b"\r\n--b and --boundary, \r\n-- but no more\r\n\r\n"


class Parts(Form):
    def __init__(self) -> None:
        super().__init__()
        self.found: list[tuple[str, bytes]] = []

    def begin(self, name: str) -> None:
        self.found.append((name, b""))

    def take(self, data: bytes) -> None:
        name, before = self.found[-1]
        self.found[-1] = (name, before + data)


def parsed(form: bytes, *cuts: int) -> list[tuple[str, bytes]]:
    parts = Parts()
    parser = parser_of(parts, b"boundary")
    for start, end in zip((0, *sorted(cuts)), (*sorted(cuts), len(form)), strict=True):
        parser.write(form[start:end])
    assert parts.complete
    return parts.found


def written(*, before: bytes = b"", pad: bytes = b"", header: bytes = b"", after: bytes = b"\r\n") -> bytes:
    line = b"--boundary" + pad + b"\r\n"
    name = b'Content-Disposition: form-data; name="%b"\r\n'
    last = b"--boundary--" + pad + after
    return before + line + header + name % b"a" + b"\r\n" + DATA + b"\r\n" + line + name % b"c" + b"\r\n\r\n" + last


ODD = {
    "plain": written(),
    "preamble": written(before=b"This is a multi-part message in MIME format.\r\n--bound\r\n"),
    "empty line first": written(before=b"\r\n"),
    "padded": written(pad=b" \t "),
    "long header": written(header=b"X-Note: " + b"x" * 12_000 + b"\r\n"),
    "many headers": written(header=b"".join(b"X-%d: 1\r\n" % i for i in range(30))),
    "epilogue": written(after=b"\r\nGoodbye.\r\n--boundary\r\n"),
    "nothing after": written(after=b""),
    "all of it": written(before=b"text\r\n", pad=b"  ", header=b"X-Note: " + b"x" * 5_000 + b"\r\n", after=b"\r\nend"),
}


@pytest.mark.parametrize("form", ODD.values(), ids=ODD.keys())
@given(cuts=st.lists(st.integers(0, 400), max_size=6))
def test_every_form_is_read_wherever_it_is_cut(form: bytes, cuts: list[int]) -> None:
    assert parsed(form, *(min(cut, len(form)) for cut in cuts)) == [("a", DATA), ("c", b"")]


@pytest.mark.parametrize("form", ODD.values(), ids=ODD.keys())
def test_every_form_is_read_byte_by_byte(form: bytes) -> None:
    assert parsed(form, *range(1, len(form))) == [("a", DATA), ("c", b"")]


@pytest.mark.parametrize(
    "form",
    [
        written(header=b"X-Note: " + b"x" * 20_000 + b"\r\n"),
        written(header=b"".join(b"X-%d: 1\r\n" % i for i in range(40))),
        written(pad=b" x"),
    ],
)
def test_there_is_a_limit_to_oddness(form: bytes) -> None:
    with pytest.raises((FormParserError, AssertionError)):
        parsed(form)


def test_a_form_with_nothing_in_it_is_one() -> None:
    assert parsed(b"--boundary--\r\n") == []
    assert parsed(b"text\r\n--boundary--") == []


def sent(client: httpx.Client, form: bytes) -> httpx.Response:
    headers = {"Content-Type": 'multipart/form-data; boundary="b"'}
    return client.post("/v1/protections", content=form, headers=headers)


def test_odd_forms_are_accepted_over_http(bench: Bench) -> None:
    image = b'Content-Disposition: form-data; name="image"; filename="a.png"\r\n\r\n' + encoded() + b"\r\n"
    with serving(bench) as client:
        for form in (
            b"--b\r\n" + image + b"--b--\r\n",
            b"This is a form.\r\n--b\r\n" + image + b"--b--\r\n",
            b"--b \t\r\n" + image + b"--b-- \r\n",
            b"--b\r\nX-Note: " + b"x" * 6_000 + b"\r\n" + image + b"--b--",
        ):
            assert sent(client, form).status_code == 202
        assert sent(client, b"no form at all").status_code == 400
        assert sent(client, b"--b--\r\n").status_code == 422


def test_empty_fields_are_left_out(bench: Bench) -> None:
    """As a browser sends a form that is not filled in."""
    with serving(bench) as client:
        for name in ("perturbation", "format", "scores", "previews"):
            answer = client.post("/v1/protections", files={"image": ("a", encoded())}, data={name: ""})
            assert (name, answer.status_code) == (name, 202)
        everything = {"perturbation": "", "format": "", "scores": "", "previews": ""}
        assert client.post("/v1/batches", files=[("images", ("a", encoded()))], data=everything).status_code == 202
        wrong = client.post("/v1/protections", files={"image": ("a", encoded())}, data={"format": "bmp"})
        assert wrong.status_code == 422
