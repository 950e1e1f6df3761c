"""Evidence never shows a key."""

from __future__ import annotations

from mockhub.verify.exchange import Exchange, Request
from mockhub.verify.secrets import Secrets


def test_curl_command_shows_no_key() -> None:
    """A key in the URL, a header or the body is shown as its variable."""
    key = "gih_live_" + 32 * "s"
    request = Request(
        "POST",
        f"http://127.0.0.1/api/v1/credits?key={key}",
        {"Authorization": f"Bearer {key}", "Cookie": f"key={key}"},
        curl_body=f'{{"prompt": "{key}"}}',
    )
    command = Exchange(request, secrets=Secrets({key: "$MOCKHUB_KEY"})).curl()
    assert key not in command
    assert command.startswith('curl "http://127.0.0.1/api/v1/credits?key=$MOCKHUB_KEY" ')
    assert '-H "Cookie: key=$MOCKHUB_KEY"' in command


def test_long_headers_are_cut_in_reports() -> None:
    """A header of the server is shown up to its first 2,000 characters, and says that it is cut."""
    exchange = Exchange(
        Request("GET", "http://a.example/"), 200, headers={"x": "y" * 5000, "z": "1"}
    )
    headers = exchange.as_json()["headers"]
    assert headers == {"x": "y" * 2000 + "... (cut, 5000 characters in all)", "z": "1"}
