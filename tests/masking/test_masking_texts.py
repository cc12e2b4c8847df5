"""Most texts and names are seen to need no masking without a close look: none may slip through."""

from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from archiver.masking.secrets import mask_and_encode, mask_document
from archiver.model import urls as url_masking
from archiver.model.document import encode_json
from archiver.model.urls import MASK, mask_text
from tests.model.builders import KEY, document
from tests.model.masked import request

PIECES = (
    *("https://", "://", "u:p@", "@", "h.example/a", "?", "#", "&", ";", "%3F", "%3f", "%26"),
    *("\\u0026", "amp;", "sig=", "Sig%3D", "signature%3d", "hmac=", "X-Amz-Signature=", "ſig="),
    *("access_token=", "token=", "policy%3D", "0123456789abcdef", "q=1", "=", "%", "\\", "/", "|"),
    *("%5B", "[", "%2573", "password", "s%69g=", "%253F", "%253D", "%25", "%255D"),
    *(",", ")", "]", '"', "'", "<", ">", " ", "\n", "é", "\ud800", "file:", "name", "1", "_"),
)
TEXTS = st.lists(st.sampled_from(PIECES), max_size=10).map("".join)


@given(TEXTS)
def test_a_text_is_masked_as_if_it_were_always_looked_at_closely(text: str) -> None:
    closely = url_masking._without_parameters(text)
    if "://" in text:
        closely = url_masking._USERINFO.sub(MASK + "@", closely)
    assert mask_text(text) == closely


@given(TEXTS.filter(lambda text: text not in ("", "word")))
def test_a_name_is_masked_as_a_text_is_whatever_names_stand_beside_it(text: str) -> None:
    result: Any = mask_document(document(output=[{"word": 1, text: 2}, {text: 3}]))
    assert [list(fields) for fields in result["output"]] == [
        ["word", mask_text(text)],
        [mask_text(text)],
    ]


@given(TEXTS, TEXTS)
def test_the_text_is_that_of_the_masked_document(one: str, two: str) -> None:
    value = request(webhook_url=one, extra_http_headers={"A": two}) | {"output": [two, {one: two}]}
    masked, text = mask_and_encode(value, [KEY, two])
    assert text == encode_json(masked)
    assert masked == mask_document(value, [KEY, two])


@given(TEXTS, TEXTS)
def test_a_download_keeps_all_but_the_query_of_its_url(url: str, name: str) -> None:
    file = {"url": url, "filename": name, "artifact_id": "a_1"}
    result: Any = mask_document(
        document(downloaded_files=[file], output={"downloaded_files": [file]})
    )
    bare = {
        "url": url_masking.without_query(url),
        "filename": mask_text(name),
        "artifact_id": "a_1",
    }
    assert result["downloaded_files"] == result["output"]["downloaded_files"] == [bare]
