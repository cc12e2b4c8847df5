import copy
import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from archiver.masking.secrets import mask_document
from archiver.model.document import encode_json
from archiver.model.urls import MASK, mask_text, without_query
from tests.model.builders import KEY, SAMPLE_NAMES, document, sample
from tests.model.masked import HEADER_FIELDS, SECRET, URL_FIELDS, USERINFO, deep, masked, request
from tests.model.strategies import JSON, JSON_OBJECTS

SIGNED = [
    "http://127.0.0.1:8000/v1/artifacts/a_1/content?expiry=1795501922&kid=k1&sig={}",
    "https://b.s3.amazonaws.com/k?X-Amz-Algorithm=AWS4&X-Amz-Credential=A&X-Amz-Signature={}",
    "https://b.s3.amazonaws.com/k?AWSAccessKeyId=A&Signature={}&Expires=1",
    "https://storage.googleapis.com/b/k?X-Goog-Algorithm=G&X-Goog-Signature={}",
    "https://x.blob.core.windows.net/c/k?sv=2024&se=2026&sp=r&sig={}",
    "https://d.cloudfront.net/k?Policy=p&Signature={}&Key-Pair-Id=K",
    "http://h.example/k?sig={}",
    "https://x.supabase.co/storage/v1/object/sign/a?token=eyJhbGciOiJIUzI1NiJ9.{}",
    "http://h.example/k?a=1#sig={}",
]
WRAPPED = [
    "{}",
    "see {} for it",
    "[it]({})",
    '<a href="{}">it</a>',
    '{{"url": "{}", "b": 1}}',
    "{}\n{}",
    "https://viewer.example/?next={}",
]


@pytest.mark.parametrize("url", SIGNED, ids=range(len(SIGNED)))
@pytest.mark.parametrize("wrapped", WRAPPED, ids=range(len(WRAPPED)))
def test_signatures_go_wherever_they_stand_in_the_output(url: str, wrapped: str) -> None:
    text = wrapped.replace("{}", url.format("zQ7signature"))
    assert "zQ7signature" not in masked(document(output=deep(text, "a", "b", "c")))
    assert "zQ7signature" not in masked(document(failure_reason=text))
    assert "zQ7signature" not in masked(request(url=text))


def test_signatures_go_in_names_of_the_output_too() -> None:
    output = {url.format("zQ7signature"): "title" for url in SIGNED}
    assert "zQ7signature" not in masked(document(output=output))


@pytest.mark.parametrize("separator", ["&amp;", "\\u0026", "%26"])
def test_signatures_go_where_the_url_is_escaped(separator: str) -> None:
    text = f"http://h.example/content?expiry=1{separator}sig=zQ7signature"
    assert "zQ7signature" not in masked(document(output=text))


def test_signatures_go_where_the_whole_url_is_percent_encoded() -> None:
    text = "http%3A%2F%2Fh.example%2Fcontent%3Fexpiry%3D1%26sig%3DzQ7signature"
    assert "zQ7signature" not in masked(document(output={"redirect": text}))


def test_credentials_of_urls_go_in_names_of_the_output_too() -> None:
    assert "zQ7secret" not in masked(document(output={"http://u:zQ7secret@h.example/": 1}))


@given(USERINFO)
def test_credentials_of_any_url_go(userinfo: str) -> None:
    value = document(
        output={"link": f"https://{userinfo}@h.example/"}, failure_reason=f"ftp://{userinfo}@h"
    )
    value["run_request"] = {"url": f"https://{userinfo}@h.example/login?a=1"}
    assert userinfo.partition(":")[2] not in masked(value)


@given(SECRET)
def test_artifact_urls_lose_their_query_whatever_it_says(secret: str) -> None:
    url = f"http://h.example/a?anything={secret}"
    value = document(
        recording_url=url,
        screenshot_urls=[url, url],
        downloaded_files=[{"url": url}],
        output={"block": {"task_screenshots": [url], "downloaded_file_urls": [url]}},
    )
    assert secret not in masked(value)
    result: Any = mask_document(value)
    assert result["recording_url"] == "http://h.example/a"
    assert result["downloaded_files"][0]["url"] == "http://h.example/a"


@pytest.mark.parametrize("name", SAMPLE_NAMES)
def test_real_answers_keep_everything_but_their_signatures(name: str) -> None:
    value = json.loads(sample(name))
    result = mask_document(value, [KEY])
    text = encode_json(result)
    for mark in ("sig=", "kid=", "expiry="):
        assert mark not in text

    def unsigned(part: Any) -> Any:
        if isinstance(part, dict):
            return {key: unsigned(inner) for key, inner in part.items()}
        if isinstance(part, list):
            return [unsigned(inner) for inner in part]
        return part.partition("?expiry=")[0] if isinstance(part, str) else part

    assert result == unsigned(value)


@given(JSON, st.sampled_from([KEY, 'quote"back\\slash', "schlüssel-€uro", "a", "***", ".*"]))
def test_the_key_stands_nowhere(value: Any, key: str) -> None:
    if key in ("a", "***", ".*"):  # parts of every document, or of the mark itself
        key = f"{key}-0123456789"
    around = {
        "output": [value, f"x{key}y", {key: key, f"a{key}": [key]}],
        "failure_reason": key,
        "title": f"\u2028{key}\u2028",
        key: key,
        "downloaded_files": [{"url": f"http://h.example/{key}?a=1", "filename": f"{key}.txt"}],
    }
    text = masked(around, key)
    assert key not in text
    assert encode_json(key)[1:-1] not in text
    assert json.dumps(key)[1:-1] not in text


def test_an_empty_key_masks_nothing() -> None:
    value = document(output="as it is")
    assert mask_document(value, [""]) == value


@given(JSON_OBJECTS)
def test_content_without_secrets_stays_as_it_is(value: dict[str, Any]) -> None:
    text = json.dumps(value).replace("?", "_").replace("#", "_").replace("://", "_")
    plain = {"output": json.loads(text)}
    if not any(f'"{field}"' in text for field in (*URL_FIELDS, *HEADER_FIELDS)):
        assert mask_document(plain) == plain


@pytest.mark.parametrize(
    "value",
    [
        9007199254740993,
        2**70,
        "https://shop.example/search?q=shoes&page=2&size=42#reviews",
        "https://example.com/shop?q=%C3%BC&p=1",
        "Is it paid? Yes, #42 & more; ask a@b.example",
        "mail me@example.com or see https://example.com/@handle",
        "a;b;c=d",
        {"empty": {}, "list": [], "null": None},
        "\u2028 \ud800 😀",
    ],
)
def test_ordinary_content_stays(value: Any) -> None:
    assert mask_document(document(output=value))["output"] == value


def test_a_short_or_common_header_value_is_not_replaced_elsewhere() -> None:
    value = request(extra_http_headers={"X-Env": "prod", "Accept": "application/json-0123456"})
    value["output"] = "the prod system takes application/json-0123456"
    assert mask_document(value)["output"] == value["output"]


def test_a_header_that_repeats_the_runs_id_does_not_hide_it() -> None:
    value = document(run_id="tsk_0123456789abcdef")
    value["run_request"] = {"extra_http_headers": {"X-Run": "tsk_0123456789abcdef"}}
    result: Any = mask_document(value)
    assert result["run_id"] == "tsk_0123456789abcdef"
    assert result["run_request"]["extra_http_headers"] == {"X-Run": MASK}


def test_a_header_that_repeats_the_name_of_a_field_does_not_hide_the_field() -> None:
    value = document(downloaded_files=[], recording_archived=False)
    headers = {"X-One": "downloaded_files", "X-Two": "recording_archived"}
    result: Any = mask_document(value | {"run_request": {"extra_http_headers": headers}})
    assert list(result) == [*value, "run_request"]
    again = {"run_request": {"extra_http_headers": {"X-One": "extra_http_headers"}}}
    assert list(mask_document(again)["run_request"]) == ["extra_http_headers"]  # type: ignore[arg-type]


@given(JSON_OBJECTS, st.sampled_from((*URL_FIELDS, *HEADER_FIELDS)), JSON | USERINFO | SECRET)
def test_masking_twice_changes_nothing(value: dict[str, Any], field: str, odd: Any) -> None:
    whole = {**value, "run_request": {field: odd, "prompt": odd}}
    once = mask_document(whole, [KEY])
    assert mask_document(once, [KEY]) == once


@pytest.mark.parametrize("url", SIGNED, ids=range(len(SIGNED)))
@pytest.mark.parametrize("wrapped", WRAPPED, ids=range(len(WRAPPED)))
def test_masking_a_text_twice_changes_nothing(url: str, wrapped: str) -> None:
    once = mask_text(wrapped.replace("{}", url.replace("://", "://u:p@")))
    assert mask_text(once) == once


@given(JSON_OBJECTS, st.sampled_from((*URL_FIELDS, *HEADER_FIELDS)), JSON)
def test_the_given_document_is_not_changed(value: dict[str, Any], field: str, odd: Any) -> None:
    whole = {**value, "run_request": {field: odd}}
    before = copy.deepcopy(whole)
    mask_document(whole, [KEY])
    assert whole == before


@given(JSON_OBJECTS, st.sampled_from((*URL_FIELDS, *HEADER_FIELDS)), JSON)
def test_names_of_fields_stay(value: dict[str, Any], field: str, odd: Any) -> None:
    whole = {**value, "run_request": {field: odd}}
    result: Any = mask_document(whole)
    assert list(result) == list(whole)
    assert list(result["run_request"]) == [field]


@pytest.mark.parametrize(
    ("url", "shown"),
    [
        ("http://h.example/a?x=1", "http://h.example/a"),
        ("http://h.example/a#x", "http://h.example/a"),
        ("http://u:p@h.example/a?x=1#y", "http://***@h.example/a"),
        ("/v1/artifacts/a_1/content?expiry=1&sig=s", "/v1/artifacts/a_1/content"),
        ("file:///tmp/a b/50%?#1.pdf", "file:///tmp/a b/50%?#1.pdf"),
        ("", ""),
    ],
)
def test_a_url_without_its_query(url: str, shown: str) -> None:
    assert without_query(url) == shown
    assert without_query(shown) == shown


@pytest.mark.parametrize(
    "text",
    [
        "https://shop.example/search?q=shoes&sv=en&page=2",
        "https://shop.example/rules?policy=refund&page=2,code=E42",
        "https://shop.example/login?token_type=bearer&auth=basic#se=1",
    ],
)
def test_queries_of_ordinary_sites_stay(text: str) -> None:
    assert mask_text(text) == text
    assert mask_document(request(url=text)) == request(url=text)


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("a,https://h.example/a?sig=abc,42\n", "a,https://h.example/a,42\n"),
        ("[it](https://h.example/a?sig=abc&x=1) and", "[it](https://h.example/a) and"),
        ("https://h.example/a?list=1,2&sig=abc&x=1", "https://h.example/a"),
        ("|https://h.example/a?expiry=1&sig=abc|42|", "|https://h.example/a|42|"),
    ],
)
def test_what_stands_behind_a_signed_url_stays(text: str, shown: str) -> None:
    assert mask_text(text) == shown


def test_names_that_become_the_same_are_told_apart() -> None:
    output = {f"http://h.example/a?sig=zQ7{n}": n for n in (1, 2, 3)}
    result: Any = mask_document(document(output=output))
    assert result["output"] == {
        "http://h.example/a": 1,
        "http://h.example/a (2)": 2,
        "http://h.example/a (3)": 3,
    }


def test_what_a_request_names_of_the_services_own_stays_elsewhere() -> None:
    own = {
        "browser_session_id": "pbs_600323869411000000",
        "queued_at": "2026-11-23T01:02:03.456789",
        "output": {"order": "ORD-2026-0042"},
    }
    query = "session=pbs_600323869411000000&order=ORD-2026-0042&workflow=wpid_600323869411000001"
    value = document(**own)
    value["run_request"] = {
        "workflow_id": "wpid_600323869411000001",
        "webhook_url": f"https://hooks.example/?{query}",
        "extra_http_headers": {"X-Queued": own["queued_at"]},
    }
    result: Any = mask_document(value)
    assert {name: result[name] for name in own} == own
    assert result["run_request"]["workflow_id"] == "wpid_600323869411000001"
    assert "ORD-2026" not in result["run_request"]["webhook_url"]


def test_every_cookie_of_a_header_goes_elsewhere_too() -> None:
    value = request(extra_http_headers={"Cookie": "lang=de; sid=zQ7secret0123; theme=dark"})
    assert "zQ7secret0123" not in masked(value | {"output": "your sid is zQ7secret0123"})


@pytest.mark.parametrize("secret", ["p4ssw0rd100%", "a%25b0123456789", "%%%%%%%%%1a"])
def test_percent_signs_in_secrets_end_nothing(secret: str) -> None:
    value = request(extra_http_headers={"Authorization": f"Basic {secret}"}, prompt=f"a {secret}")
    assert secret not in masked(value)
