"""Which headers go to another origin: by one rule, for polls and for redirects."""

from __future__ import annotations

import httpx
import pytest

from stead.orchestrations._activities.http_activity import _ORIGIN, _hide_credentials
from stead.orchestrations._activities.http_origins import origin_of
from stead.orchestrations._execution.call_http import headers_for

CREDENTIALS = [
    "Authorization",
    "Proxy-Authorization",
    "X-Authorization",
    "Cookie",
    "cookie2",
    "x-functions-key",
    "X-API-Key",
    "api-key",
    "apikey",
    "X-ApiKey",
    "x-goog-api-key",
    "Ocp-Apim-Subscription-Key",
    "DD-APPLICATION-KEY",
    "X-Auth-Token",
    "x-access-token",
    "Private-Token",
    "X-Vault-Token",
    "X-CSRF-Token",
    "x-amz-security-token",
    "X-ZUMO-AUTH",
    "X-Auth",
    "x-client-secret",
    "CF-Access-Client-Id",
    "CF-Access-Client-Secret",
    "X-Hub-Signature-256",
    "X-Session-Id",
    "sessionid",
    "x-jwt-assertion",
    "X-ARR-ClientCert",
    "x-ms-client-principal",
    "X-Password",
    "DPoP",
    "X-Access",
    "X-Access-Code",
    "X-Appkey",
    "X-LicenseKey",
    "X-Subscriptionkey",
    "X-Webhook-Hmac",
    "X-Hmac-Sha256",
    "X-OAuth-Scopes",
    "X-Login",
    "X-Passcode",
    "X-Ticket",
    "X-Forwarded-User",
    "x-remote-user",
    "X-SAML",
]
HARMLESS = [
    "Accept",
    "Accept-Language",
    "User-Agent",
    "Idempotency-Key",
    "If-None-Match",
    "Prefer",
    "traceparent",
    "X-Request-Id",
    "x-ms-continuation-token",
    "X-Author",
    "X-Monkey",
    "X-Accessibility",
    "X-Machine",
    "X-Tenant",
]
HOME = "https://a.example/start"
ELSEWHERE = [
    "https://b.example/x",
    "https://sub.a.example/x",
    "https://a.example.evil.example/x",
    "https://a.example@evil.example/x",
    "https://a.example:8443/x",
    "http://a.example/x",
    "http://a.example:443/x",
    "https://a.example:0/x",
]
SAME = ["https://a.example/x", "https://A.EXAMPLE:443/x", "HTTPS://a.example/", "https://user:word@a.example/x"]


async def redirected(target: str, names: list[str]) -> set[str]:
    request = httpx.Request(
        "GET", target, headers=dict.fromkeys(names, "secret"), extensions={_ORIGIN: origin_of(HOME)}
    )
    await _hide_credentials(request)
    return {name for name in names if name in request.headers}


@pytest.mark.parametrize("target", ELSEWHERE)
async def test_credentials_do_not_go_elsewhere(target: str) -> None:
    names = CREDENTIALS + HARMLESS
    assert list(headers_for(HOME, target, dict.fromkeys(names, "secret"))) == HARMLESS
    assert await redirected(target, names) == set(HARMLESS)


@pytest.mark.parametrize("target", SAME)
async def test_they_stay_at_home(target: str) -> None:
    names = CREDENTIALS + HARMLESS
    assert list(headers_for(HOME, target, dict.fromkeys(names, "secret"))) == names
    assert await redirected(target, names) == set(names)


def test_a_blank_or_another_case_hides_nothing() -> None:
    assert headers_for(HOME, "https://b.example/", {"X-API-KEY ": "1", "aUTHORIZATION": "2", "Content-Type": "3"}) == {}
