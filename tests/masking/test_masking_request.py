import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from archiver.masking.secrets import mask_document
from archiver.model.urls import MASK
from tests.model.masked import HEADER_FIELDS, SECRET, URL_FIELDS, USERINFO, deep, masked, request


@given(
    st.sampled_from(HEADER_FIELDS), st.dictionaries(st.sampled_from(["X-Api", "A", "k"]), SECRET)
)
def test_header_values_go_and_names_stay(field: str, headers: dict[str, str]) -> None:
    result: Any = mask_document(request(**{field: headers}))
    assert result["run_request"][field] == dict.fromkeys(headers, MASK)


@pytest.mark.parametrize("field", HEADER_FIELDS)
@pytest.mark.parametrize(
    "headers",
    [
        "Authorization: Bearer zQ7secret",
        ["Authorization: Bearer zQ7secret"],
        [["Authorization", "Bearer zQ7secret"]],
        [{"name": "Authorization", "value": "Bearer zQ7secret"}],
        {"Authorization": ["Bearer zQ7secret"]},
        {"Authorization": {"value": "zQ7secret"}},
        {"Accept": "zQ7secret"},
    ],
)
def test_header_values_go_whatever_form_they_have(field: str, headers: Any) -> None:
    assert "zQ7secret" not in masked(request(**{field: headers}))


def test_numbers_in_headers_go_and_nulls_stay() -> None:
    result: Any = mask_document(request(extra_http_headers={"a": 123456, "b": None, "c": True}))
    assert result["run_request"]["extra_http_headers"] == {"a": MASK, "b": None, "c": MASK}


@given(SECRET, st.sampled_from(["output", "failure_reason", "title"]))
def test_a_header_value_goes_wherever_else_it_stands(secret: str, field: str) -> None:
    value = request(extra_http_headers={"Authorization": f"Bearer {secret}"}, prompt=f"a {secret}")
    value[field] = deep(f"before {secret} after", "a", "b")
    value["errors"] = [{secret: 1}, {"reasoning": f"key={secret}!"}]
    assert secret not in masked(value)


def test_a_header_value_beyond_ascii_goes_beside_half_a_surrogate_pair() -> None:
    secret = "pässwort-1234567890"
    value = request(extra_http_headers={"X-Key": secret}, prompt=f"use {secret}")
    value["output"] = "\ud800"
    assert secret not in json.loads(masked(value))["run_request"]["prompt"]


@given(USERINFO, st.sampled_from(URL_FIELDS), st.sampled_from(["https", "ws", "socks5", "http"]))
def test_credentials_of_the_requests_urls_go(userinfo: str, field: str, scheme: str) -> None:
    url = f"{scheme}://{userinfo}@host.example:8080/path"
    text = masked(request(**{field: url}))
    assert userinfo.partition(":")[2][:6] not in text
    assert "host.example:8080/path" in text


@pytest.mark.parametrize(
    "url",
    [
        "https://user:zQ7secret@proxy.example/https://target.example/hook",
        "https://user:zQ7secret@host.example/?next=https://other.example/",
        "//user:zQ7secret@host.example/hook",
        "user:zQ7secret@host.example:8080",
        "https://zQ7secret@host.example",
        "HTTPS://USER:zQ7secret@HOST.EXAMPLE",
        "https://user:a@zQ7secret@host.example/",
        "https://user:x#zQ7secret@host.example/",
        "https://user:x&zQ7secret@host.example/",
        "https://user:zQ7secret&x@host.example/",
        "https://user:zQ7secret;x@host.example/",
        "https://host.example/#zQ7secret",
        "https://host.example/#access_token=zQ7secret",
        "https://host.example/?zQ7secret",
        "https://host.example/?a=b=zQ7secret",
        "https://host.example/?a=x;b=zQ7secret",
        "https://host.example/?a=x?b=zQ7secret",
        "?a=zQ7secret",
        " https://user:zQ7secret@host.example/?a=zQ7secret ",
        "http://user:Sl/zQ7secret99@proxy.example:8080",
        "ws://user:pa/zQ7secret1234@host.example/path",
        "https://host.example/?token=zQ7secret123def%",
        "https://user:zQ7secret%25word@host.example/",
        "https://host.example/?message=zQ7secret-50%-today-with-us-now",
    ],
)
def test_secrets_in_odd_urls_of_the_request_go(url: str) -> None:
    assert "zQ7secret" not in masked(request(**dict.fromkeys(URL_FIELDS, url)))


@given(
    st.sampled_from(URL_FIELDS),
    st.lists(st.tuples(st.from_regex(r"[a-z]{1,6}", fullmatch=True), SECRET), min_size=1),
)
def test_query_values_of_the_requests_urls_go_and_names_stay(
    field: str, pairs: list[tuple[str, str]]
) -> None:
    url = "https://host.example/hook?" + "&".join(f"{name}={value}" for name, value in pairs)
    result: Any = mask_document(request(**{field: url}))
    shown = "https://host.example/hook?" + "&".join(f"{name}={MASK}" for name, _ in pairs)
    assert result["run_request"][field] == shown


@pytest.mark.parametrize(
    "proxy",
    [
        {"url": "http://user:zQ7secret@proxy.example:3128"},
        {"server": "http://proxy.example", "username": "zQ7secret", "password": "zQ7secret"},
        {"custom": {"url": "http://user:zQ7secret@proxy.example:3128"}},
        {"custom": {"server": "http://proxy.example", "password": "zQ7secret"}},
        [{"password": "zQ7secret"}],
        {"proxies": [{"password": "zQ7secret"}]},
        {"proxies": ["http://proxy.example/?auth_key=zQ7secret"]},
    ],
)
def test_a_proxy_given_as_an_object_keeps_no_secret(proxy: Any) -> None:
    assert "zQ7secret" not in masked(request(proxy_location=proxy))


def test_a_proxy_location_that_names_a_place_stays() -> None:
    place = {"country": "US", "subdivision": "CA", "city": "San Francisco"}
    result: Any = mask_document(request(proxy_location=place))
    assert result["run_request"]["proxy_location"] == place
