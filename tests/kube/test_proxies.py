# SPDX-License-Identifier: Apache-2.0
"""NO_PROXY and HTTPS_PROXY, by the documented rules of golang.org/x/net/http/httpproxy."""

import pytest

from kube.proxies import proxy_for

PROXY = "http://proxy.example:3128"
NO_PROXY = (
    "foobar.com, .barbaz.net, *.wildcard.io, 192.168.1.1, 192.168.1.2:81, 192.168.1.3:80,"
    " 10.0.0.0/30, 2001:db8::52:0:1, [2001:db8::52:0:2]:443, [2001:db8::52:0:3]:80,"
    " 2002:db8:a::45/64"
)


@pytest.mark.parametrize(
    ("host", "proxied"),
    [
        ("localhost", False),
        ("127.0.0.1", False),
        ("127.0.0.2", False),
        ("[::1]", False),
        ("[::ffff:127.0.0.1]", False),
        ("[::2]", True),
        ("192.168.1.1", False),  # the exact address
        ("192.168.1.2", True),  # another port
        ("192.168.1.3", False),  # the exact address and port
        ("192.168.1.4", True),
        ("10.0.0.2", False),  # in the CIDR
        ("10.0.0.4", True),
        ("[2001:db8::52:0:1]", False),
        ("[2001:db8:0::52:0:1]", False),  # the same address, written differently
        ("[2001:db8::52:0:2]", True),
        ("[2001:db8::52:0:3]", False),
        ("[2002:db8:a::123]", False),
        ("[fe80::424b:c8be:1643:a1b6]", True),
        ("barbaz.net", True),  # a leading dot means what is below alone
        ("www.barbaz.net", False),
        ("foobar.com", False),  # without one, the name and what is below
        ("www.foobar.com", False),
        ("WWW.FooBar.com", False),
        ("foofoobar.com", True),
        ("baz.com", True),
        ("localhost.net", True),
        ("local.localhost", True),
        ("barbarbaz.net", True),
        ("wildcard.io", True),
        ("nested.wildcard.io", False),
        ("awildcard.io", True),
    ],
)
def test_who_is_reached_without_a_proxy_is_as_in_go(host: str, *, proxied: bool) -> None:
    environment = {"http_proxy": PROXY, "no_proxy": NO_PROXY}

    assert (proxy_for(f"http://{host}:80", environment) == PROXY) == proxied


@pytest.mark.parametrize(
    ("url", "exceptions", "proxied"),
    [
        ("https://10.96.0.1:443", "10.96.0.0/12", False),
        ("https://10.112.0.1:443", "10.96.0.0/12", True),
        ("https://10.96.0.1", "10.96.0.7/12", False),  # host bits are ignored
        ("https://10.96.0.1", "10.96.0.0/255.240.0.0", True),  # Go knows no netmasks
        ("https://[fd00::1]:6443", "fd00::/8", False),
        ("https://[fd00::1]:6443", "[fd00::1]:6443", False),
        ("https://[fd00::1]:6443", "[fd00::1]:443", True),
        ("https://[::ffff:10.0.0.1]", "10.0.0.0/8", False),  # an address of IPv4
        ("https://api.example", "api.example:443", False),  # the scheme's port
        ("https://api.example", "api.example:6443", True),
        ("https://api.example", "*", False),
        ("https://api.example", "other,*", False),
        ("https://api.example", "", True),
        ("https://api.example", ":1", True),  # no host: ignored
        ("https://api.example", " , ,", True),
        ("https://api.example", "ample", True),
        ("https://api.example", "10.0.0.0/8,api.example", False),
        ("https://10.0.0.1", ".0.1", True),  # an address has no domain
        ("https://[1000::%25.example.com]:123", "example.com", True),
        ("https://www.示例.com", ".示例.com", False),
        ("https://www.示例.com", "xn--fsq092h.com", False),
        ("https://www.xn--fsq092h.com", "示例.com", False),
        ("https://localhost:6443", "", False),
    ],
)
def test_exceptions_are_read_as_in_go(url: str, exceptions: str, *, proxied: bool) -> None:
    environment = {"HTTPS_PROXY": PROXY, "NO_PROXY": exceptions}

    assert (proxy_for(url, environment) == PROXY) == proxied


@pytest.mark.parametrize(
    ("proxy", "url"),
    [
        ("proxy:3128", "http://proxy:3128"),
        ("proxy", "http://proxy"),
        ("127.0.0.1:8080", "http://127.0.0.1:8080"),
        ("user:secret@proxy:3128", "http://user:secret@proxy:3128"),
        ("https://proxy", "https://proxy"),
        ("socks5://proxy", "socks5://proxy"),
    ],
)
def test_a_proxy_without_a_scheme_is_an_http_proxy(proxy: str, url: str) -> None:
    assert proxy_for("https://api.example", {"HTTPS_PROXY": proxy}) == url


def test_each_scheme_has_its_own_proxy() -> None:
    environment = {"HTTP_PROXY": "plain", "HTTPS_PROXY": "secure", "ALL_PROXY": "all"}

    assert proxy_for("http://api.example", environment) == "http://plain"
    assert proxy_for("https://api.example", environment) == "http://secure"
    assert proxy_for("https://api.example", {"HTTP_PROXY": "plain", "ALL_PROXY": "all"}) is None


def test_variables_in_lower_case_come_first() -> None:
    upper = {"HTTPS_PROXY": "upper", "NO_PROXY": "api.example"}

    assert proxy_for("https://api.example", {**upper, "no_proxy": "other"}) == "http://upper"
    assert proxy_for("https://other", {**upper, "https_proxy": "lower"}) == "http://lower"
    assert proxy_for("https://other", {**upper, "https_proxy": ""}) == "http://upper"
