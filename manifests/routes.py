"""The way to a host: a proxy that was given, one of the environment's, or none.

What the environment says (http_proxy, https_proxy, all_proxy, no_proxy) holds here as it does for
yt-dlp. A redirect is routed anew. Costs some microseconds a request.
"""

from __future__ import annotations

import urllib.request
from typing import Any
from urllib.parse import unquote_to_bytes

import urllib3
from urllib3.exceptions import LocationParseError
from urllib3.util import Url, parse_url

from manifests.addresses import host_of, presentable
from manifests.errors import ClipmillError

REDIRECTS = 5
SCHEMES = ("http", "https")


class Routes(urllib3.PoolManager):
    """Connections that the threads of a process share, each over the proxy of its host.

    Raises:
        ClipmillError: a proxy that is none.
    """

    def __init__(self, proxy: str | None = None, hosts: int = 16) -> None:
        # Body does its own retries, from where it stands.
        only = urllib3.Retry(total=None, connect=0, read=0, status=0, other=0, redirect=REDIRECTS)
        kept: dict[str, Any] = {"num_pools": hosts, "maxsize": hosts, "retries": only}
        super().__init__(**kept)
        self._by_environment = proxy is None
        found = {scheme: _Proxy(address, self, kept) for scheme, address in _proxies(proxy).items()}
        self._proxies = found

    def urlopen(  # type: ignore[override]
        self, method: str, url: str, redirect: bool = True, **more: Any
    ) -> urllib3.BaseHTTPResponse:
        """Ask the host of an address, by its proxy where it has one."""
        parsed = parse_url(url)
        proxy = self._proxies.get(parsed.scheme or "")
        if proxy is None or (self._by_environment and _is_excepted(parsed)):
            return super().urlopen(method, url, redirect, **more)
        return proxy.through(method, url, redirect, **more)


class _Proxy(urllib3.ProxyManager):
    """The connections to one proxy; where a redirect leads is again for `routes` to say."""

    def __init__(self, proxy: Url, routes: Routes, kept: dict[str, Any]) -> None:
        heads = {}
        if proxy.auth:
            # The bytes of UTF-8, which is what servers expect by now.
            words = unquote_to_bytes(proxy.auth).decode("latin-1")
            heads = urllib3.make_headers(proxy_basic_auth=words)
        super().__init__(proxy._replace(auth=None).url, proxy_headers=heads, **kept)
        self._routes = routes

    def urlopen(  # type: ignore[override]
        self, method: str, url: str, redirect: bool = True, **more: Any
    ) -> urllib3.BaseHTTPResponse:
        return self._routes.urlopen(method, url, redirect, **more)

    def through(
        self, method: str, url: str, redirect: bool, **more: Any
    ) -> urllib3.BaseHTTPResponse:
        return super().urlopen(method, url, redirect, **more)


def proxy_host(proxy: str | None) -> str:
    """Return the host (and port) of the proxy that YouTube and most servers are asked by; empty
    where there is none.
    """
    if proxy is not None:
        return host_of(proxy)
    found = _of_environment()
    return host_of(found.get("https") or found.get("http") or "")


def _proxies(proxy: str | None) -> dict[str, Url]:
    """Return the proxies by the scheme of what is asked."""
    if proxy is not None:
        return dict.fromkeys(SCHEMES, _checked(proxy, "--proxy"))
    return {
        scheme: _checked(address, f"the environment's {scheme}_proxy or all_proxy")
        for scheme, address in _of_environment().items()
    }


def _of_environment() -> dict[str, str]:
    known = urllib.request.getproxies()
    found = {scheme: known.get(scheme) or known.get("all") for scheme in SCHEMES}
    return {
        scheme: address if "://" in address else f"http://{address}"
        for scheme, address in found.items()
        if address
    }


def _checked(proxy: str, where: str) -> Url:
    """Return a proxy's address, taken apart.

    Raises:
        ClipmillError: it is none.
    """
    try:
        parsed = parse_url(proxy)
    except LocationParseError:
        parsed = Url()
    if parsed.scheme not in SCHEMES or not parsed.host:
        shown = presentable(proxy if "://" in proxy else proxy.rpartition("@")[2])
        raise ClipmillError(
            f"{where} is {shown!r}; expected http://HOST:PORT or http://USER:PASSWORD@HOST:PORT, "
            "with % and its number for signs such as @ or / in the password. Give that, or none."
        )
    return parsed


def _is_excepted(address: Url) -> bool:
    """Return whether no_proxy names the host."""
    host = (address.host or "").strip("[]")
    port = f":{address.port}" if address.port else ""
    return bool(urllib.request.proxy_bypass(host + port))
