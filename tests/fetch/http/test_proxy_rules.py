"""Which proxy leads where, by an environment alone."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from archiver.fetch.http.proxies import read_proxies
from archiver.fetch.http.target import target_of

PROXY = "http://proxy.example:3128"


def goes_through(url: str, **variables: str) -> str | None:
    """The authority of the proxy, None where there is none."""
    proxy = read_proxies(variables).to(target_of(url).origin)
    return proxy.origin.authority if proxy else None


@pytest.mark.parametrize(
    ("variables", "http", "https"),
    [
        ({}, None, None),
        ({"http_proxy": PROXY}, True, None),
        ({"https_proxy": PROXY}, None, True),
        ({"HTTPS_PROXY": PROXY}, None, True),
        ({"all_proxy": PROXY}, True, True),
        ({"ALL_PROXY": PROXY}, True, True),
        ({"HTTP_PROXY": PROXY}, True, None),
        ({"HTTP_PROXY": PROXY, "REQUEST_METHOD": "GET"}, None, None),
        ({"http_proxy": "", "https_proxy": ""}, None, None),
        ({"https_proxy": "", "HTTPS_PROXY": PROXY}, None, True),
        ({"https_proxy": PROXY, "HTTPS_PROXY": "http://other:1"}, None, True),
        ({"https_proxy": PROXY, "ALL_PROXY": "http://other:1"}, False, True),
    ],
)
def test_each_scheme_has_its_variables(
    variables: dict[str, str], http: bool | None, https: bool | None
) -> None:
    for url, expected in (("http://a.example/", http), ("https://a.example/", https)):
        found = goes_through(url, **variables)
        if expected is None:
            assert found is None
        else:
            assert (found == "proxy.example:3128") is expected


@pytest.mark.parametrize(
    ("address", "authority"),
    [
        ("proxy.example", "proxy.example:80"),
        ("proxy.example:3128", "proxy.example:3128"),
        ("  http://Proxy.Example:8080/ ", "proxy.example:8080"),
        ("https://proxy.example", "proxy.example:443"),
        ("socks5://proxy.example", "proxy.example:1080"),
        ("SOCKS5H://proxy.example:9", "proxy.example:9"),
        ("http://user:pa@ss@[::1]:3128", "[::1]:3128"),
        ("user:pass@10.0.0.1:3128", "10.0.0.1:3128"),
    ],
)
def test_a_proxy_is_written_in_several_ways(address: str, authority: str) -> None:
    assert goes_through("https://a.example/", ALL_PROXY=address) == authority
    assert not read_proxies({"ALL_PROXY": address}).warnings


@pytest.mark.parametrize(
    "address",
    ["ftp://a", "socks4://a:1", "http://", "http://[::1", "http://a:99999", "http://a:x", "a b",
     "http://a\r\nb", "http://ü:ö@a", "://", "http://\ud800", "socks5://" + "u" * 300 + ":p@a"],
)  # fmt: skip
def test_a_proxy_that_cannot_be_read_is_passed_over_and_said(address: str) -> None:
    proxies = read_proxies({"HTTPS_PROXY": address})
    assert proxies.https is None
    (warning,) = proxies.warnings
    assert warning.startswith("HTTPS_PROXY in the environment is passed over")
    assert goes_through("https://x/", HTTPS_PROXY=address, ALL_PROXY=PROXY) == "proxy.example:3128"


@pytest.mark.parametrize(
    ("exceptions", "host", "is_covered"),
    [
        ("example.com", "example.com", True),
        ("example.com", "www.example.com", True),
        ("example.com", "EXAMPLE.com.", True),
        ("example.com", "badexample.com", False),
        ("example.com", "example.com.evil", False),
        (".example.com", "example.com", True),
        (".example.com", "a.b.example.com", True),
        ("*.example.com", "a.example.com", True),
        ("example.com.", "example.com", True),
        ("Example.COM", "example.com", True),
        ("bücher.example", "bücher.example", True),
        ("bücher.example", "xn--bcher-kva.example", True),
        ("my_host", "my_host", True),
        ("*", "anything", True),
        ("a, *", "anything", True),
        ("a,b", "b", True),
        ("a b", "b", True),
        (" ,, a\t,\nb ,", "b", True),
        ("", "a", False),
        ("a:8080", "a:8080", True),
        ("a:8080", "a", False),
        ("a:80", "a", True),
        ("*:8080", "a:8080", True),
        (".a.b:8080", "x.a.b:8080", True),
        ("10.1.2.3", "10.1.2.3", True),
        ("10.1.2.3", "10.1.2.30", False),
        ("10.1.2.3:81", "10.1.2.3:81", True),
        ("10.1.2.3:81", "10.1.2.3", False),
        ("10.0.0.0/8", "10.255.0.1", True),
        ("10.0.0.0/8", "11.0.0.1", False),
        ("10.1.2.3/8", "10.255.0.1", True),
        ("192.168.0.0/255.255.0.0", "192.168.9.9", True),
        ("10.0.0.0/8", "a.example", False),
        ("::1", "[::1]", True),
        ("[::1]", "[::1]", True),
        ("[::1]:8080", "[::1]:8080", True),
        ("[::1]:8080", "[::1]", False),
        ("0:0:0:0:0:0:0:1", "[::1]", True),
        ("fe80::/10", "[fe80::1]", True),
        ("[fe80::]/10", "[febf::1]", True),
        ("fe80::/10", "[2001:db8::1]", False),
        ("2001:DB8::/32", "[2001:db8:1::]", True),
        ("::/0", "10.0.0.1", False),
        ("127.0.0.0/8", "127.1", True),
        ("127.0.0.0/8", "2130706433", True),
        ("127.0.0.0/8", "0x7f000001", True),
        ("127.0.0.0/8", "[::ffff:127.0.0.1]", True),
    ],
)
def test_exceptions_cover_what_they_say(exceptions: str, host: str, is_covered: bool) -> None:
    for name in ("no_proxy", "NO_PROXY"):
        variables = {"ALL_PROXY": PROXY, name: exceptions}
        assert (goes_through(f"http://{host}/", **variables) is None) is is_covered
        assert not read_proxies(variables).warnings


@pytest.mark.parametrize(
    "entry",
    ["10.0.0.0/99", "1.2.3", "999.1.1.1", "[::1", "[::g]", "fe80::/999", "a/b", "a:x", "a:",
     "http://a", "a..b", "::1::2", "[::1]:x", "\ud800", "ü_x", "-ü", "²", "ü" * 70],
)  # fmt: skip
def test_an_exception_that_cannot_be_read_is_passed_over_and_said(entry: str) -> None:
    proxies = read_proxies({"ALL_PROXY": PROXY, "NO_PROXY": f"one.example,{entry},two.example"})
    (warning,) = proxies.warnings
    assert repr(entry) in warning
    for host in ("one.example", "two.example"):
        assert proxies.to(target_of(f"http://{host}/").origin) is None
    assert proxies.to(target_of("http://three.example/").origin) is not None


@given(
    st.dictionaries(
        st.sampled_from(
            ["http_proxy", "HTTP_PROXY", "https_proxy", "HTTPS_PROXY", "all_proxy", "ALL_PROXY",
             "no_proxy", "NO_PROXY"]
        ),
        st.text(max_size=30) | st.text("[]:/.@*#?%10a, ", max_size=20),
    )
)  # fmt: skip
def test_no_environment_keeps_anybody_from_starting(variables: dict[str, str]) -> None:
    proxies = read_proxies(variables)
    for url in ("http://a.example/", "https://10.0.0.1/", "https://[::1]:8443/"):
        proxies.to(target_of(url).origin)
