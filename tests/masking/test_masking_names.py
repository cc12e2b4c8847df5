"""A value whose field is named as a secret is masked, whatever it is and wherever it stands."""

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from archiver.masking.names import NameKind, kind_of
from archiver.masking.secrets import mask_document
from archiver.model.urls import MASK
from tests.model.builders import document
from tests.model.masked import SECRET, masked, request
from tests.model.strategies import JSON_SCALARS

SECRETS = (
    *("password", "passwd", "secret", "token", "api key", "authorization", "cookie", "set cookie"),
    *("totp", "otp", "storage state", "client secret", "refresh token", "private key", "pwd"),
    *("access token", "passphrase", "credentials", "jwt", "one time code", "recovery codes"),
)
OTHERS = ("my", "x", "user", "shop", "value", "new", "2", "old", "for", "field", "v1", "is", "b2b")


def _camel(words: list[str]) -> str:
    return words[0] + "".join(word.capitalize() for word in words[1:])


def _acronyms(words: list[str]) -> str:
    short = ("api", "otp", "totp", "jwt", "pwd", "x")
    return "".join(word.upper() if word in short else word.capitalize() for word in words)


SPELLINGS = (
    "_".join,
    "-".join,
    " ".join,
    ".".join,
    lambda words: "_".join(words).upper(),
    lambda words: "-".join(word.capitalize() for word in words),
    lambda words: " ".join(words).capitalize(),
    _camel,
    _acronyms,
)


@st.composite
def secret_names(draw: st.DrawFn) -> str:
    """A name that has a secret's in it as whole words, in any spelling."""
    before = draw(st.lists(st.sampled_from(OTHERS), max_size=2))
    behind = draw(st.lists(st.sampled_from(OTHERS), max_size=2))
    words = [*before, *draw(st.sampled_from(SECRETS)).split(), *behind]
    spelled: str = draw(st.sampled_from(SPELLINGS))(words)
    return spelled


def nested(draw: st.DrawFn, value: Any) -> Any:
    """A value somewhere below."""
    for _ in range(draw(st.integers(0, 4))):
        value = [1, value] if draw(st.booleans()) else {"block": value, "n": None}
    return value


def texts(value: Any) -> list[Any]:
    if isinstance(value, dict):
        return [text for entry in value.values() for text in texts(entry)]
    if isinstance(value, list):
        return [text for entry in value for text in texts(entry)]
    return [value] if isinstance(value, str) else []


def places(value: Any) -> tuple[dict[str, Any], ...]:
    """Documents that have a value where people, pages and models may put one."""
    return (
        request(**value) if isinstance(value, dict) else request(x=value),
        request(parameters=value),
        request(model=value),
        request(run_metadata={"more": value}),
        document(output={"block_1_output": {"headers": value}}),
        document(output=[{"response_headers": value}]),
        document(workflow_parameters=value),
    )


@given(st.data(), secret_names(), st.text() | SECRET)
def test_what_is_named_as_a_secret_is_masked_at_any_depth(
    data: st.DataObject, name: str, secret: str
) -> None:
    for at in places(data.draw(st.composite(nested)({name: secret}))):
        kept = texts({**mask_document(at), "run_id": 0, "status": 0})
        assert kept == [MASK], (name, at)


@given(st.data(), secret_names(), SECRET)
def test_objects_and_lists_below_a_secrets_name_lose_their_texts(
    data: st.DataObject, name: str, secret: str
) -> None:
    below = data.draw(
        st.recursive(
            st.just(secret),
            lambda inner: (
                st.lists(inner, min_size=1, max_size=2)
                | st.dictionaries(st.sampled_from(["a", "domain", "name"]), inner, min_size=1)
            ),
            max_leaves=4,
        )
    )
    for at in places({name: below}):
        kept = texts({**mask_document(at), "run_id": 0, "status": 0})
        assert set(kept) == {MASK}, (name, at)


@given(secret_names(), JSON_SCALARS.filter(lambda value: not isinstance(value, str)))
def test_numbers_booleans_and_null_stay(name: str, value: Any) -> None:
    for at in places({name: value, "list": [{name: [value]}]}):
        assert mask_document(at) == at


@pytest.mark.parametrize(
    "time",
    ["2026-11-30T01:02:03", "2026-11-30T01:02:03.456789Z", "2026-11-30 01:02+01:00"],
)
def test_times_stay(time: str) -> None:
    at = request(parameters={"token_expires_at": time, "cookies": [{"expires": time}]})
    assert mask_document(at) == at


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("input_token_count", "1200"),
        ("max_tokens", "4096"),
        ("maxTokens", "4096"),
        ("total_tokens", "all"),
        ("token_limit", "none"),
        ("token_usage", {"model": "gpt"}),
        ("token_type", "Bearer"),
        ("token_expiry", "2026-11-30"),
        ("authorization_status", "in review"),
        ("authorizationStatus", "in review"),
        ("prior_authorization", "approved"),
        ("token_symbol", "ETH"),
        ("token_expires_at", "Mon, 01 Jan 2026"),
        ("input_tokens", "12"),
        ("outputTokens", "1,204"),
        ("password_required", "for admins"),
        ("has_password", "Yes"),
        ("accept_cookies", "no"),
        ("credential", "cred_123"),
        ("login_credential", ["cred_600323882295963120"]),
        ("token", "wpid_600323882295963120"),
        ("password_field_found", True),
        ("author", "A. N. Author"),
        ("secretary", "S"),
        ("keyboard", "qwerty"),
        ("tokenizer", "bpe"),
        ("passport", "P1"),
        ("compass", "north"),
        ("key", "value of a key"),
        ("totp_identifier", "me@example.com"),
        ("credential_id", "cred_600323869411000000"),
        ("browser_session_id", "pbs_600323869411000000"),
        ("session_id", "s1"),
        ("laptop", "l"),
        ("webhook_failure_reason", "HTTP 500 at 1/2/3"),
    ],
)
def test_names_that_only_look_like_a_secrets_stay(name: str, value: Any) -> None:
    for at in places({name: value}):
        assert mask_document(at) == at


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("tokens", "12a4"),
        ("token", "123456"),
        ("otp", "123456"),
        ("passwords", "123456"),
        ("tokens", ["1234567890"]),
        ("password_status_value", "zQ7"),
        ("password", "card_123"),
        ("password", "cred_123x"),
        ("password", "yes!"),
        ("password_reset_url", "https://h.example/reset/zQ7"),
        ("access_key_id", "AKIAzQ7"),
        ("password_hint", "zQ7"),
    ],
)
def test_what_is_near_to_a_harmless_name_or_value_goes(name: str, value: Any) -> None:
    result: Any = mask_document(request(parameters={name: value}))
    assert texts(result["run_request"]) == [MASK]


@pytest.mark.parametrize(
    "name",
    [
        *("APIKey", "apiKey", "API_KEY", "X-Api-Key", "x-api-key", "apikey", "APIKEY", "ApiKEY"),
        *("clientSecretValue", "ClientSecret", "clientsecret", "storageState", "storagestate"),
        *("PassWord", "passWord", "PASSWORD", "Password1", "password2", "db.password"),
        *("TOTPs", "OTPs", "totpSecret", "oauth2Token", "OAuthToken", "ID_TOKENS", "Set-Cookie"),
        *(
            "ｐａｓｓｗｏｒｄ",
            "pass\u200bword",
            "pass\u00adword",
            "user[password]",
            "login/password",
        ),
        *("security_code", "cardSecurityCode", "pin_code", "pincode", "smsCode", "two_factor_code"),
        *("passkey", "PHPSESSID", "llm_key"),
    ],
)
def test_any_spelling_of_a_secrets_name_is_seen(name: str) -> None:
    assert kind_of(name) in (NameKind.SECRET, NameKind.ABOUT_SECRET, NameKind.TOKENS)
    assert "zQ7secret" not in masked(request(parameters={name: "zQ7secret"}))


@pytest.mark.parametrize(
    "name",
    ["auth", "authentication", "creds", "proxy_auth", "pass", "pin", "userPin", "mfa", "2FA"],
)
def test_ordinary_words_are_secrets_where_people_hand_them_over(name: str) -> None:
    assert "zQ7secret" not in masked(request(parameters={name: "zQ7secret"}))
    page = document(output={"table": {name: "as it is"}})
    assert mask_document(page) == page


@given(secret_names().filter(lambda name: kind_of(name) is NameKind.SECRET), SECRET)
def test_in_the_output_what_ends_in_a_secrets_name_is_masked(name: str, secret: str) -> None:
    body = {"body": {name: secret, "list": [{name: {"value": secret}}]}}
    assert secret not in masked(document(output=body))


@pytest.mark.parametrize(
    "output",
    [
        {"cookie_banner": "We use cookies", "password_rules": "at least 8"},
        {"token_price": "1.20 €", "secret_ingredient_list": ["salt"]},
        {"headers": ["Token", "Price"], "rows": [["ETH", "1"]]},
        {"authorization_status": "approved", "otp_hint": "sent to a***@example.com"},
    ],
)
def test_in_the_output_a_secret_that_is_only_spoken_of_stays(output: Any) -> None:
    assert mask_document(document(output=output)) == document(output=output)


@pytest.mark.parametrize(
    "headers",
    [
        {"Authorization": "Digest zQ7secret", "Set-Cookie": ["sid=zQ7secret; Path=/"]},
        {"x-api-key-2": "zQ7secret", "cookie-jar": "zQ7secret"},
        [["Authorization", "zQ7secret"], ["Set-Cookie", "sid=zQ7secret"]],
        [{"name": "Cookie", "value": "sid=zQ7secret"}],
        "Accept: */*\r\nCookie: sid=zQ7secret\r\nX-Api-Key:zQ7secret",
        ["Set-Cookie: sid=zQ7secret", "Server: x"],
    ],
)
@pytest.mark.parametrize("name", ["headers", "responseHeaders", "request_headers", "HEADERS"])
def test_headers_in_the_output_lose_their_secrets_in_any_form(name: str, headers: Any) -> None:
    assert "zQ7secret" not in masked(document(output={"block": [{name: headers}]}))


@pytest.mark.parametrize(
    "labeled",
    [
        {"key": "password", "value": "zQ7secret"},
        {"Name": "password", "Value": "zQ7secret"},
        {"NAME": "password", "VALUE": "zQ7secret"},
        {"label": "Password", "value": "zQ7secret"},
        {"id": "password", "value": "zQ7secret"},
        {"field": "password", "value": "zQ7secret"},
        {"parameter_key": "password", "value": "zQ7secret"},
        {"name": "Client Secret", "value": {"text": "zQ7secret"}},
        {"key": "api_key", "default_value": "zQ7secret", "value": None},
        {"key": "webhook_url", "value": "https://hooks.example/services/zQ7secret"},
        {"key": "extra_http_headers", "value": {"X-Shop": "zQ7secret"}},
    ],
)
def test_a_value_whose_name_stands_beside_it_is_masked(labeled: Any) -> None:
    assert "zQ7secret" not in masked(request(parameters=[labeled]))
    assert "zQ7secret" not in masked(document(workflow={"parameters": [{"a": labeled}]}))


def test_what_is_described_keeps_its_description() -> None:
    at = request(
        data_extraction_schema={"properties": {"password": {"type": "string"}}},
        error_code_mapping={"WRONG_PASSWORD": "the password was refused"},
    )
    at["errors"] = [{"credential_check": {"site_message": "wrong", "checks_failed": ["a"]}}]
    assert mask_document(at) == at


def test_a_secret_goes_wherever_else_it_stands_and_what_lies_beside_it_stays() -> None:
    at = request(
        url="https://shop.example.com/login",
        prompt="log in with Summer2026! at shop.example.com",
        parameters={
            "password": "Summer2026!",
            "cookies": [
                {"name": "sid", "value": "c00kie-of-the-shop", "domain": "shop.example.com"}
            ],
        },
    )
    at["output"] = "sid c00kie-of-the-shop"
    result: Any = mask_document(at)
    assert result["run_request"]["prompt"] == "log in with *** at shop.example.com"
    assert result["run_request"]["url"] == "https://shop.example.com/login"
    assert result["output"] == "sid ***"


REQUIRED: dict[str, Any] = {
    "run_id": "tsk_abc-0123456789",
    "status": "waiting_for_code_2",
    "created_at": "2026-11-23T01:02:03.456789",
    "downloaded_files": [
        {
            "url": "http://h.example/a",
            "checksum": "0" * 62 + "ab",
            "artifact_id": "a-600323869411x0",
            "file_size": 1,
        }
    ],
}


@pytest.mark.parametrize("value", ["tsk_abc-0123456789", "waiting_for_code_2", "0" * 62 + "ab"])
def test_what_the_archive_lives_by_stays_even_where_a_secret_has_the_same_text(value: str) -> None:
    at = {**REQUIRED, "run_request": {"parameters": {"token": value, "prompt": f"a {value}"}}}
    result: Any = mask_document(at)
    assert {name: result[name] for name in REQUIRED} == REQUIRED
    assert result["run_request"]["parameters"] == {"token": MASK, "prompt": "a ***"} or (
        value.startswith("tsk_")
    )


CALLBACKS = ("webhook_url", "webhook_callback_url", "totp_url", "totp_verification_url", "webhook")


@pytest.mark.parametrize(
    ("url", "shown"),
    [
        ("https://h.example/hook", "https://h.example/hook"),
        ("https://h.example/hook/", "https://h.example/hook/"),
        ("https://h.example", "https://h.example"),
        ("https://h.example/services/T0/zQ7", "https://h.example/services/***"),
        ("https://h.example/services/T0/zQ7?a=1#b", "https://h.example/services/***?a=***#***"),
        ("https://u:p@h.example:8/a/zQ7", "https://***@h.example:8/a/***"),
        ("https://h.example//a//zQ7", "https://h.example//a/***"),
        ("https://h.example/a%2FzQ7", "https://h.example/a%2F***"),
        ("https://h.example/a/***", "https://h.example/a/***"),
        ("h.example/a/zQ7", "h.example/a/***"),
    ],
)
@pytest.mark.parametrize("name", CALLBACKS)
def test_of_a_callbacks_path_only_the_first_part_stays(name: str, url: str, shown: str) -> None:
    for at in (request(**{name: url}), request(parameters=[{name: [url]}])):
        result: Any = mask_document(at)
        assert texts(result["run_request"]) == [shown]
        assert mask_document(result) == result


def test_a_callbacks_path_goes_wherever_else_it_stands() -> None:
    url = "https://hooks.example/services/T0AB12CD/B0AB12CD/zQ7secretsecret4711"
    at = request(webhook_url=url) | {"failure_reason": f"{url} said 500; zQ7secretsecret4711"}
    assert "zQ7secret" not in masked(at)
    said = request(webhook_failure_reason=f"POST {url} failed")
    assert mask_document(said)["run_request"] == {
        "webhook_failure_reason": "POST https://hooks.example/services/*** failed"
    }


@pytest.mark.parametrize(
    "parameter",
    [
        *("X-Amz-Signature", "sig", "Signature", "token", "access_token", "key", "api_key", "code"),
        *("password", "passwd", "apikey", "client_secret", "refresh_token", "id_token", "otp"),
        *("userPassword", "x-api-key", "auth_token", "secret", "jwt", "sid", "X-Goog-Signature"),
        *("user[password]", "user%5Bpassword%5D", "user%255Bpassword%255D", "logins[0][pass]"),
        *("api%5Fkey", "pass%77ord", "%70%61%73%73%77%6F%72%64", "api%255Fkey", "auth", "k%65y"),
    ],
)
@pytest.mark.parametrize(
    "wrapped",
    [
        "https://h.example/a?b=1&{}=zQ7&c=2",
        "see https://h.example/a?{}=zQ7 for it",
        "[it](https://h.example/#{}=zQ7)",
        '<a href="https://h.example/?x=1&amp;{}=zQ7">',
        "https://v.example/?next=https%3A%2F%2Fh.example%2F%3F{}%3DzQ7",
        "https://v.example/?n%5F=https://h.example/?{}=zQ7",
        "https%253A%252F%252Fc%252F%253F{}%253DzQ7",
        "https://v.example/?n=https%253A%252F%252Fc%252F%253Fa%253D1%2526{}%253DzQ7",
        "grant_type=x&{}=zQ7&b=1",
        "{}=zQ7&grant_type=x",
        "/relative?{}=zQ7",
    ],
)
def test_secret_parameters_of_any_url_are_masked(parameter: str, wrapped: str) -> None:
    text = wrapped.format(parameter)
    for at in (document(output=[{"a": text}]), request(prompt=text), document(x={text: 1})):
        once = mask_document(at)
        assert "zQ7" not in masked(at)
        assert mask_document(once) == once


@pytest.mark.parametrize(
    "name",
    ["password", "user[password]", "user%5Bpassword%5D", "pass%77ord", "client_secret", "my-token"],
)
def test_a_text_that_is_nothing_but_a_secret_parameter_keeps_its_name(name: str) -> None:
    result: Any = mask_document(request(parameters={"body": f"{name}=zQ7,a)b;c"}))
    assert result["run_request"]["parameters"]["body"] == f"{name}={MASK}"


@pytest.mark.parametrize(
    "text",
    [
        *("https://h.example/?filter[code]=a&sort%5Bkey%5D=b", "https://h.example/?q=100%25&a[]=1"),
        *("code=5", "a=1", "auth=[x]", "key=100%", "https://h.example/?tok%65nizer=bpe&p%61ge=2"),
        *("password=", "policy%253Dprivacy", "how password=x is written"),
    ],
)
def test_other_parameters_stay(text: str) -> None:
    assert mask_document(request(prompt=text)) == request(prompt=text)


def test_a_secret_parameter_of_a_url_is_masked_whole_and_the_others_stay() -> None:
    url = "https://h.example/a?page=2&password=a,b)c;d&q=shoes"
    result: Any = mask_document(document(output=url))
    assert result["output"] == "https://h.example/a?page=2&password=***&q=shoes"


@pytest.mark.parametrize(
    "credentials",
    [
        *("Bearer zQ7", "bearer zQ7.abc", "BEARER zQ7-_~+/==", "Bearer  zQ7", "Bearer:zQ7"),
        *("Bearer zQabcdef", "Authorization: Token zQ7x", 'authorization="ApiKey zQ7x'),
        *("authorizationBearer zQ7zQ7zQ7zQ7zQ7z", "Bearer zQabcdefzQabcdefz", "%0ABearer zQ7"),
        *("Bearer token zQ7", "bearer token: zQ7"),
        *("Basic dTo=", "Basic bcO8OnpRNw==", "Basic dXNlcjp6UTdzZWNyZ", "Basic 9jp6UTc="),
        *("Basic dXNlcjp6UTc=", "basic enE3OnpRNw", "BASIC dXNlcjpwYXNzd29yZA==", "Bearer%20zQ7"),
    ],
)
@pytest.mark.parametrize(
    "wrapped", ["{}", "a\n{}", "a\t{}", "sent Authorization: {}, got 401", '{{"a": "{}"}}']
)
def test_credentials_of_http_go_from_any_text(credentials: str, wrapped: str) -> None:
    text = wrapped.format(credentials)
    secret = credentials.rsplit(maxsplit=1)[-1].removeprefix("Bearer:").removeprefix("Bearer%20")
    at = document(output={"log": [text]}, failure_reason=text, errors=[{"reasoning": text}])
    assert secret not in masked(at | {"run_request": {"prompt": text, text: 1}})
    once = mask_document(at)
    assert mask_document(once) == once


@pytest.mark.parametrize(
    "text",
    [
        *("Basic plan, basic usage of it", "the bearer of news", "Bearer token", "basic"),
        *("Bearer authentication, Basic auth", "bearer-token based", "basic JavaScript", "Basic 2"),
        *('WWW-Authenticate: Bearer realm="shop"', "Authorization: Bearer token required"),
        *("Pallbearer 2018", "PALLBEARER 2018", "Forbearer Smith2", "Torchbearer 2024-Edition"),
        *("Bearer Johnson", "BEARER JOHNSON", "Bearer Lloyd-Jones.", "Basic Plus2024Edition"),
        *("basic Level1Support", "Basic Authentication1", "Basic English101Course for all"),
    ],
)
def test_texts_about_credentials_stay(text: str) -> None:
    at = document(output={"a": text}, failure_reason=text)
    assert mask_document(at) == at


@pytest.mark.parametrize("text", ['Bearer "zQ7"', "Bearer 'zQ7'", '"Bearer token \\"zQ7\\""'])
def test_a_quoted_credential_goes(text: str) -> None:
    assert "zQ7" not in masked(document(output={"a": [text]}, failure_reason=text))


@pytest.mark.parametrize("unmask", ["api_key", "apiKey", "API-KEY", "Api Keys"])
def test_what_is_to_stay_stays_in_any_spelling(unmask: str) -> None:
    at = request(parameters={"api_key": "zQ7kept", "apiKey": ["zQ7kept"], "my_api_key": "zQ7gone"})
    result: Any = mask_document(at, unmask=[unmask])
    assert result["run_request"]["parameters"] == {
        "api_key": "zQ7kept",
        "apiKey": ["zQ7kept"],
        "my_api_key": MASK,
    }


def test_an_address_that_is_to_stay_still_loses_its_credentials() -> None:
    at = request(webhook_url="https://u:zQ7gone@h.example/a/b/c?d=zQ7gone")
    result: Any = mask_document(at, unmask=["webhook_url"])
    assert result["run_request"] == {"webhook_url": "https://***@h.example/a/b/c?d=***"}


@pytest.mark.parametrize(
    "body",
    [
        '{"user": "ann", "password": "zQ7secret"}',
        '{"data": [{"login": {"client_secret": ["zQ7secret"]}}]}',
        '[{"name": "api_key", "value": "zQ7secret"}]',
        '{\n  "headers": {"Cookie": "sid=zQ7secret"}\n}',
        '{"access_token":"zQ7secret","token_type":"Bearer"}',
    ],
)
@pytest.mark.parametrize("before", ["", " ", "\n", "\r\n\t ", "\ufeff", "\ufeff\n "])
@pytest.mark.parametrize("texts_within", [0, 1, 3])
def test_texts_that_are_json_lose_what_their_names_give_away(
    body: str, before: str, texts_within: int
) -> None:
    for level in range(texts_within):
        body = before + json.dumps({"a": [body]} if level % 2 else body)
    body = before + body
    for at in (request(parameters={"body": body}), document(output=[{"response": body}])):
        once = mask_document(at)
        assert "zQ7" not in masked(at)
        assert mask_document(once) == once


@pytest.mark.parametrize(
    "text",
    [
        '{ "user": "ann",\n "max_tokens": "12", "n": 1.50 }',
        '{"password": "zQ7", not JSON}',
        "[it](https://h.example)",
        "{",
        '"',
        ' "a text" ',
        ' {"a": "{\\"b\\": 1}"} ',
        "[" * 5_000,
        '{"a":' * 600 + "1" + "}" * 600,
        'Answer as {"password": "a text"}',
    ],
)
def test_other_texts_with_braces_stay_as_they_are(text: str) -> None:
    at = request(parameters={"body": text})
    assert mask_document(at) == at
