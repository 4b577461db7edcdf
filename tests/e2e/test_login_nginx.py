"""The example of docs/login.md, as it stands there: nginx, a stand-in for oauth2-proxy, and the chat."""

from __future__ import annotations

import re
import threading
from collections.abc import AsyncIterator, Iterator
from contextlib import AsyncExitStack
from http.cookies import SimpleCookie
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest
import websockets

from tests.e2e.browsers import Shown, shown
from tests.e2e.places import FORM, ROOMY
from tests.packaging.test_proxy import Nginx, write_configuration
from tests.support.client import ChatClient
from tests.support.instance import CHECKOUT, Instance, request
from tests.support.ports import free_port
from tests.support.process import Process
from tests.support.require import require
from tests.support.waiting import until

ADA = {"Cookie": "somebody=ada"}


class Gate(BaseHTTPRequestHandler):
    """`/oauth2/auth` of oauth2-proxy: 202 and headers for who has its cookie, else 401."""

    def do_GET(self) -> None:
        somebody = SimpleCookie(self.headers.get("Cookie", "")).get("somebody")
        self.send_response(202 if somebody else 401)
        if somebody:
            self.send_header("X-Auth-Request-User", somebody.value)
            self.send_header("X-Auth-Request-Preferred-Username", somebody.value.title())
        self.send_header("Content-Length", "0")
        self.end_headers()

    def log_message(self, *_: object) -> None:
        pass


@pytest.fixture
def gate() -> Iterator[str]:
    server = ThreadingHTTPServer(("127.0.0.1", 0), Gate)
    server.daemon_threads = True
    thread = threading.Thread(target=server.serve_forever, args=(0.02,), daemon=True)
    thread.start()
    yield f"127.0.0.1:{server.server_address[1]}"
    server.shutdown()
    server.server_close()
    thread.join()


def locations(gate: str) -> tuple[str, str]:
    """The example's blocks for the server, and its lines for the locations."""
    [example] = re.findall(r"```nginx\n(.*?)```", (CHECKOUT / "docs" / "login.md").read_text(), re.DOTALL)
    blocks, found, lines = example.replace("oauth2-proxy:4180", gate).partition("# In `location /`")
    assert found
    return blocks, "\n".join(line for line in lines.splitlines()[2:] if line.strip())


@pytest.fixture
async def front(gate: str, tmp_path: Path) -> AsyncIterator[str]:
    """The address of nginx."""
    require(Nginx)
    env = {
        **ROOMY,
        "QUARTCHAT_TRUSTED_PROXIES": "1",
        "QUARTCHAT_USER_HEADER": "X-Remote-User",
        "QUARTCHAT_NAME_HEADER": "X-Remote-Name",
        "QUARTCHAT_GUESTS": "deny",
    }
    async with AsyncExitStack() as stack:
        one = await stack.enter_async_context(Instance("memory://", env))
        port = free_port()
        written = write_configuration(tmp_path, port, (f"127.0.0.1:{one.port}",) * 2)
        text, (blocks, lines) = written.read_text(), locations(gate)
        # As the example says: what the server sets is set again where anything is.
        repeated = "\n".join(re.findall(r"^ {8}(proxy_set_header .*;)$", text, re.MULTILINE))
        for_sockets = "\n".join(line for line in lines.splitlines() if not line.startswith("error_page"))
        text = text.replace("location / {", f"{blocks}\nlocation / {{\n{repeated}\n{lines}\n")
        text = text.replace("location /ws/ {", f"location /ws/ {{\n{repeated}\n{for_sockets}\n")
        written.write_text(text)
        command = [str(Nginx.program), "-e", "stderr", "-c", str(written), "-g", "daemon off; user root;"]
        nginx = Process(command, log=tmp_path / "log", env={}, cwd=tmp_path)
        nginx.start()
        stack.callback(nginx.kill)
        url = f"http://127.0.0.1:{port}"

        async def answers() -> bool:
            assert nginx.running, nginx.log
            try:
                return (await request(f"{url}/oauth2/auth")).status == 404
            except OSError:
                return False

        await until(answers, 20, "nginx answers")
        yield url


async def test_the_example_lets_in_who_logged_in_and_nobody_else(front: str, room: str) -> None:
    sent_away = await request(f"{front}/chat/{room}/")
    assert (sent_away.status, sent_away.headers["Location"].rpartition("/oauth2/")[2]) == (
        302,
        f"start?rd=/chat/{room}/",
    )
    with pytest.raises(websockets.InvalidStatus) as refused:
        await ChatClient(front, room, origin=front).open()
    assert refused.value.response.status_code == 401
    ada = shown((await request(f"{front}/chat/{room}/", headers=ADA)).text)
    assert ada.name == "Ada"
    async with ChatClient(front, room, ADA["Cookie"], origin=front) as client:
        assert client.welcome["you"] == {"id": ada.user_id, "name": "Ada"}
        said = await request(
            f"{front}/chat/{room}/messages", "POST", b"message=hello&id=one", {**FORM, **ADA, "Origin": front}
        )
        assert said.status == 303
        await client.wait_texts(["hello"])


async def test_what_a_client_writes_into_the_header_is_taken_away(front: str, room: str) -> None:
    spoofed = {**ADA, "X-Remote-User": "bob", "X-Remote-Name": "Bob"}
    assert shown((await request(f"{front}/chat/{room}/", headers=spoofed)).text).name == "Ada"
    client = ChatClient(front, room, origin=front)
    client._headers.update(spoofed)
    async with client:
        assert client.welcome["you"]["name"] == "Ada"
    for name in ("X_Remote_User", "X-Remote_User"):
        spoofed = {"Cookie": "somebody=eve", name: "bob"}
        assert shown((await request(f"{front}/chat/{room}/", headers=spoofed)).text) != Shown(None, None)
        assert shown((await request(f"{front}/chat/{room}/", headers=spoofed)).text).name == "Eve"
