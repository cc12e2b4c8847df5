from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from archiver.model.urls import expires_at, is_expiring
from tests.model.builders import utc
from tests.model.strategies import ANY_TEXT

END = utc("2026-11-24T01:02:03")
UNIX = int(END.timestamp())


@pytest.mark.parametrize(
    "url",
    [
        f"http://h/v1/artifacts/a_1/content?expiry={UNIX}&kid=k1&sig=s",
        f"https://b.s3.amazonaws.com/k?AWSAccessKeyId=A&Signature=s&Expires={UNIX}",
        "https://h/k?X-Amz-Date=20261124T000203Z&X-Amz-Expires=3600&X-Amz-Signature=s",
        "https://h/k?X-Goog-Date=20261124T000203Z&X-Goog-Expires=3600&X-Goog-Signature=s",
        "https://h/k?sv=2024&se=2026-11-24T01%3A02%3A03Z&sig=s",
        f"/v1/artifacts/a_1/content?sig=s&EXPIRY={UNIX}",
    ],
)
def test_signed_links_say_when_they_end(url: str) -> None:
    assert expires_at(url) == END


@pytest.mark.parametrize(
    "url",
    [
        *("", "http://h/a", "http://h/a?expiry=", "http://h/a?expiry=soon", "file:///a?b"),
        *("http://h/a?se=2026-11-24", "http://h/a?expiry=-1"),
        *("http://h/a?expiry=" + "9" * 30, "http://h/a?expiry=" + "9" * 5000),
        *("http://h/a?X-Amz-Date=x&X-Amz-Expires=1", "http://h/a?X-Amz-Date=20261124T000203Z"),
        f"http://h/a?X-Amz-Date=20261124T000203Z&X-Amz-Expires={'9' * 30}",
    ],
)
def test_other_links_do_not(url: str) -> None:
    assert expires_at(url) is None


@given(ANY_TEXT, st.sampled_from(["expiry", "expires", "se", "X-Amz-Expires"]))
def test_any_link_is_read(text: str, name: str) -> None:
    for url in (text, f"http://h/a?sig=s&X-Amz-Date=20261124T000203Z&{name}={text}"):
        end = expires_at(url)
        assert end is None or end.tzinfo is not None


@pytest.mark.parametrize(("seconds", "expiring"), [(61, False), (60, True), (0, True), (-5, True)])
def test_a_link_expires_some_time_before_its_end(seconds: int, expiring: bool) -> None:
    now = datetime.fromtimestamp(UNIX, UTC) - timedelta(seconds=seconds)
    assert is_expiring(f"http://h/a?expiry={UNIX}", now, timedelta(minutes=1)) is expiring
    assert not is_expiring("http://h/a", now, timedelta(minutes=1))
