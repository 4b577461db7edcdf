"""Requests and handshakes: malformed, half, or with names that try to get out."""

from __future__ import annotations

import random
import unicodedata
from urllib.parse import quote, quote_from_bytes

from .inputs import PLANTED, Input, Kind
from .link import handshake

GOOD = frozenset({"101", "200", "303", "302", "308", "307", "301", "304"})
BAD = frozenset(
    {
        "400",
        "401",
        "403",
        "404",
        "405",
        "408",
        "409",
        "411",
        "413",
        "414",
        "415",
        "416",
        "417",
        "421",
        "426",
        "429",
        "431",
    }
)
WHATEVER = GOOD | BAD
SILENT = frozenset({"ended", "left"})

PATHS = (
    "/chat/",
    "/",
    "/chat/lobby/",
    "/ws/chat/lobby/",
    "/healthz",
    "/api/rooms",
    "/static/room.js",
    "/session",
)


def _request(head: str, body: bytes = b"", allowed: frozenset[str] = WHATEVER, **more: bool) -> Input:
    return Input("request", head.encode("latin-1", "replace") + body, allowed, **more)


def _get(target: str, *lines: str) -> str:
    return "\r\n".join([f"GET {target} HTTP/1.1", *lines, "Connection: close", "", ""])


def half_handshakes(rng: random.Random) -> Input:
    whole = handshake("/ws/chat/half/", plain=rng.random() < 0.5)
    part = whole[: rng.randrange(1, len(whole) - 1)]
    return Input("request", part, SILENT | BAD, open_ended=True)


def upgrades(rng: random.Random) -> Input:
    """A handshake with some of its headers bent, lost or doubled."""
    lines = handshake("/ws/chat/upgrade/").decode().split("\r\n")[1:-2]
    odd = (
        *(
            "Upgrade: h2c",
            "Upgrade: websocket, h2c",
            "Upgrade: WEBSOCKET",
            "Upgrade: \xe9",
            "Upgrade:",
            "Upgrade: x",
        ),
        *(
            "Connection: close",
            "Connection: keep-alive",
            "Connection: Upgrade, HTTP2-Settings",
            "Connection: \xff,",
        ),
        *(
            "Sec-WebSocket-Version: 8",
            "Sec-WebSocket-Version: 99999",
            "Sec-WebSocket-Version: x",
            "Sec-WebSocket-Key:",
        ),
        *("Sec-WebSocket-Key: short", "Sec-WebSocket-Key: \xff\xfe", "Sec-WebSocket-Key: " + "A" * 4000),
        *(
            "Sec-WebSocket-Protocol: ,,",
            "Sec-WebSocket-Protocol: \xe9",
            "Sec-WebSocket-Protocol: " + "a," * 3000,
        ),
        *(
            "Sec-WebSocket-Extensions: permessage-deflate; client_max_window_bits=x",
            "Sec-WebSocket-Extensions: ;;=",
        ),
        *("Sec-WebSocket-Extensions: permessage-deflate; server_max_window_bits=99999999999999999999",),
        *(
            "Sec-WebSocket-Extensions: \xff; permessage-deflate",
            "Sec-WebSocket-Extensions: x-webkit-deflate-frame",
        ),
        *(
            "HTTP2-Settings: !!",
            "HTTP2-Settings: AAMAAABkAARAAAAAAAIAAAAA",
            "Host: other",
            "Host:",
            "Transfer-Encoding: x",
        ),
        *(
            "Content-Length: 10",
            "Expect: 100-continue",
            "Origin: http://127.0.0.1:99999",
            "Origin: \xff",
            "Cookie: \xff=;",
        ),
    )
    for _ in range(rng.randrange(1, 4)):
        what = rng.randrange(3)
        if what == 0 and lines:
            del lines[rng.randrange(len(lines))]
        elif what == 1:
            lines.insert(rng.randrange(len(lines) + 1), rng.choice(odd))
        else:
            line = rng.choice(odd)
            name = line.partition(":")[0]
            lines = [old for old in lines if not old.startswith(name)] + [line]
    method = rng.choice(("GET", "GET", "GET", "POST", "HEAD", "get", "OPTIONS", "CONNECT"))
    version = rng.choice(("1.1", "1.1", "1.1", "1.0", "2.0", "0.9", "1.2"))
    head = "\r\n".join([f"{method} /ws/chat/upgrade/ HTTP/{version}", *lines, "", ""])
    return _request(head, allowed=WHATEVER | SILENT, open_ended=True)


def targets(rng: random.Random) -> Input:
    target = rng.choice(
        (
            *(
                "*",
                "//",
                "///",
                "/./",
                "/../../etc/passwd",
                "/chat/%2e%2e/",
                "/%",
                "/%zz",
                "/%00",
                "/chat/%ff%fe/",
                "?",
                "#",
            ),
            *(
                "http://[::1",
                "http://127.0.0.1/chat/",
                "http://",
                "http:///x",
                "https://evil/chat/",
                "ws://x/ws/chat/a/",
            ),
            *(
                "evil:80",
                "/chat/\xe9/",
                "/chat/?" + "a=b&" * 2000,
                "/chat/" + "a" * 9000 + "/",
                "/chat/a;b=c/",
                "\\chat\\",
            ),
            *(
                "/static/../settings.py",
                "/static/%2e%2e/settings.py",
                "/static/..%2fsettings.py",
                "/static//etc/passwd",
            ),
            *(
                "/static/%00",
                "/static/" + "a" * 300,
                "/static/%5c..%5c",
                "/api/rooms/x/messages?limit=%ff",
                "/metrics?%",
            ),
            *(
                "/api/rooms/%00/messages",
                "/api/rooms/a/messages?before=%ed%a0%80",
                "/ws/chat/%ed%a0%80/",
                "/ws/chat//",
            ),
        )
    )
    host = rng.choice(
        (
            *(
                "Host: x",
                "Host: [::1",
                "Host: x:99999",
                "Host: x:y",
                "Host: ",
                "Host: x y",
                "Host: \xff\xfe",
                "Host: a@b",
            ),
            *(
                "Host: " + "a" * 5000,
                "Host: x\r\nHost: y",
                "Host: http://x/",
                "X: no host",
                "Host: %00",
                "Host: [v1.x]:0",
            ),
            *(
                "Host: x\r\nX-Forwarded-Host: \xff",
                "Host: x\r\nX-Forwarded-For: " + "1," * 999,
                "Host: ::1",
                "Host: \t",
            ),
        )
    )
    if rng.random() < 0.4:
        lines = [line for line in handshake("x").decode().split("\r\n")[2:-2] if "Connection" not in line]
        head = "\r\n".join([f"GET {target} HTTP/1.1", host, "Connection: Upgrade", *lines, "", ""])
        return _request(head, allowed=WHATEVER | SILENT, open_ended=True)
    return _request(_get(target, host), allowed=WHATEVER | SILENT)


def heads(rng: random.Random) -> Input:
    """Heads and bodies that contradict themselves, and bytes that are no HTTP at all."""
    path = rng.choice(PATHS)
    odd = rng.choice(
        (
            *(
                "GET {p}\r\n\r\n",
                "GET  {p}  HTTP/1.1\r\n\r\n",
                " GET {p} HTTP/1.1\r\n\r\n",
                "\r\n\r\nGET {p} HTTP/1.1\r\n",
            ),
            *(
                "GET {p} HTTP/1.1\nHost: x\n\n",
                "GET {p} HTTP/1.1\r\nHost: x\r\n folded\r\n\r\n",
                "G\x00T {p} HTTP/1.1\r\n\r\n",
            ),
            *(
                "GET {p} HTTP/1.1\r\nHost: x\r\nX\x00: y\r\n\r\n",
                "GET {p} HTTP/1.1\r\nHost: x\r\nX: \x00\r\n\r\n",
            ),
            *(
                "GET {p} HTTP/1.1\r\nHost: x\r\n: y\r\n\r\n",
                "GET {p} HTTP/1.1\r\nHost: x\r\nX y\r\n\r\n",
                "{p}\r\n\r\n",
            ),
            "GET {p} HTTP/1.1\r\nHost: x\r\n" + "X: y\r\n" * 5000 + "\r\n",
            "GET {p} HTTP/1.1\r\nHost: x\r\nX: " + "y" * 100_000 + "\r\n\r\n",
            "POST {p} HTTP/1.1\r\nHost: x\r\nContent-Length: -1\r\n\r\n",
            "POST {p} HTTP/1.1\r\nHost: x\r\nContent-Length: 1\r\nContent-Length: 2\r\n\r\nab",
            "POST {p} HTTP/1.1\r\nHost: x\r\nContent-Length: 99999999999999999999999\r\n\r\nab",
            "POST {p} HTTP/1.1\r\nHost: x\r\nContent-Length: " + "9" * 5000 + "\r\n\r\nab",
            "POST {p} HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\nContent-Length: 3\r\n\r\n0\r\n\r\n",
            "POST {p} HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\n\r\n",
            "POST {p} HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\nffffffffffffffffffff\r\nab",
            "POST {p} HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: gzip, chunked\r\n\r\n0\r\n\r\n",
            "POST {p} HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n1;"
            + "x" * 20_000
            + "\r\na\r\n0\r\n\r\n",
            "{m} {p} HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n",
            "\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03",
            "PROXY TCP4 1.2.3.4 5.6.7.8 1 2\r\nGET {p} HTTP/1.1\r\nHost: x\r\n\r\n",
            "GET {p} HTTP/1.1\r\nHost: x\r\nRange: bytes=9-1,-0,x-y\r\nConnection: close\r\n\r\n",
            'GET {p} HTTP/1.1\r\nHost: x\r\nIf-Modified-Since: \xff\r\nIf-None-Match: "\xff\r\nConnection: close\r\n\r\n',
            "GET {p} HTTP/1.1\r\nHost: x\r\nAccept-Language: "
            + "a-b;q=9," * 900
            + "\xff\r\nConnection: close\r\n\r\n",
            "GET {p} HTTP/1.1\r\nHost: x\r\nCookie: {c}\r\nConnection: close\r\n\r\n",
            "GET {p} HTTP/1.1\r\nHost: x\r\nAuthorization: \xff\xff :::\r\nConnection: close\r\n\r\n",
        )
    )
    method = rng.choice(
        ("BREW", "TRACE", "CONNECT", "PATCH", "DELETE", "OPTIONS", "get", "G" * 3000, "PRI", "HEAD")
    )
    cookie = rng.choice(
        (
            "\xff\xfe=\xff",
            "=;;=;",
            "a" * 9000,
            '__Host-quartchat="\\',
            "quartchat=" + PLANTED["a session cookie"],
            "\x7f=1; " * 300,
        )
    )
    head = odd.replace("{p}", path).replace("{m}", method).replace("{c}", cookie)
    return _request(head, allowed=WHATEVER | SILENT, open_ended=True)


def forms(rng: random.Random) -> Input:
    target = rng.choice(
        ("/session", "/session/end", "/language", "/chat/forms/messages", "/chat/%00/messages")
    )
    name = _name(rng)
    body = rng.choice(
        (
            *(
                b"=",
                b"&&&",
                b"%",
                b"name=%ff%fe",
                b"name=%00",
                b"name=" + b"a" * 60_000,
                b"a=b&" * 9000,
                b"\x00" * 100,
            ),
            *(
                b"name=x&next=//evil.example",
                b"name=x&next=/\\evil",
                b"name=x&next=http:evil",
                b"lang=xx",
                b"lang=ko&next=%0d%0a",
            ),
            *(
                b"message=%ed%a0%80&id=x&guest=" + PLANTED["a guest's token"].encode(),
                b"message=x&id=" + b"i" * 500,
                b"message=" + b"%00" * 9000,
                b"name=x&name=y",
            ),
            b"--b\r\nContent-Disposition: form-data; name=name\r\n\r\nx\r\n--b--",
            b'--b\r\nContent-Disposition: form-data; name=\xff; filename="../../x"\r\n\r\n' + b"x" * 3000,
            b"name=" + quote(name, safe="").encode() + b"&next=/chat/",
        )
    )
    form = rng.choice(
        (
            *("application/x-www-form-urlencoded",) * 5,
            *(
                "multipart/form-data; boundary=b",
                "multipart/form-data",
                "multipart/form-data; boundary=" + "b" * 5000,
            ),
            *(
                "application/json",
                "text/plain; charset=nonsense",
                "application/x-www-form-urlencoded; charset=utf-7",
                "\xff",
            ),
        )
    )
    length = len(body) if rng.random() < 0.9 else rng.choice((0, 1, len(body) + 5, 10**9))
    lines = [f"POST {target} HTTP/1.1", "Host: x", f"Content-Type: {form}", f"Content-Length: {length}"]
    lines += [] if rng.random() < 0.8 else ["Accept: application/json"]
    lines += ["Connection: close", "", ""]
    return _request("\r\n".join(lines), body, WHATEVER | SILENT, open_ended=length > len(body))


HIDDEN = "\u200b\u200c\u200d\u200e\u200f\u202a\u202e\u2066\u2069\u2060\ufeff\u00ad\u034f\u115f\u3164\u2800\ufe0f\U000e0041\U000e0100"
LOOKS = (
    "аdmin",
    "ａｄｍｉｎ",
    "admin\u0301",
    "аԁmіn",
    "ⓐdmin",
    "𝐚dmin",
    "ádmin",
    "AΑА",
    "ﬁ",
    "Ⅳ",
    "ㅤ",
    "가\u1160",
    "ᄀ",
)
WAYS_OUT = (
    "..",
    ".",
    "../..",
    "..%2f",
    "%2e%2e",
    "..\\",
    "\\..\\..",
    "/etc/passwd",
    "~root",
    "a/../b",
    "....//",
    "C:\\x",
)


def _name(rng: random.Random) -> str:
    what = rng.randrange(6)
    if what == 0:
        return rng.choice(WAYS_OUT)
    if what == 1:
        at = rng.randrange(5)
        return "name"[:at] + rng.choice(HIDDEN) * rng.randrange(1, 4) + "name"[at:]
    if what == 2:
        return rng.choice(LOOKS)
    if what == 3:
        return rng.choice("aé한🎉\x00\u0301\u0e34") * rng.choice((1, 31, 32, 33, 64, 65, 300, 2000))
    if what == 4:
        return "".join(
            chr(rng.choice((rng.randrange(32), rng.randrange(0xD800), rng.randrange(0xE000, 0x110000))))
            for _ in range(4)
        )
    return unicodedata.normalize("NFD", "Å한글é") + rng.choice(
        (" ", "\u3000", "\t", "\r\nX-Evil: 1", "<script>", "'\"", "%", "#", "?")
    )


def rooms(rng: random.Random) -> Input:
    name = _name(rng)
    encoded = rng.choice(
        (
            *(quote(name, safe=""), quote(name, safe="/."), quote(quote(name, safe=""), safe="")),
            *(
                quote_from_bytes(name.encode("utf-16-le", "surrogatepass"), safe=""),
                quote_from_bytes(rng.randbytes(9), safe=""),
            ),
            *(
                "%c0%ae%c0%ae",
                "%c0%af",
                "%e0%80%af",
                "%252e%252e",
                "%2f",
                "%5c",
                "a%2fb",
                "%ed%a0%80",
                "%u002e",
                "%2e%2e%2f",
            ),
        )
    )
    path = rng.choice(("/chat/{}/", "/api/rooms/{}/messages", "/ws/chat/{}/", "/ws/chat/{}")).format(encoded)
    if path.startswith("/ws/"):
        return Input("request", handshake(path), frozenset({"101", "404", "400", "503", "429", "431", "414"}))
    return _request(
        _get(path, "Host: x"),
        allowed=frozenset({"200", "404", "400", "308", "303", "302", "431", "414", "429"}),
    )


def people(rng: random.Random) -> Input:
    body = b"name=" + quote(_name(rng), safe="", errors="replace").encode()
    lines = ["POST /session HTTP/1.1", "Host: x", "Content-Type: application/x-www-form-urlencoded"]
    lines += [f"Content-Length: {len(body)}", "Connection: close", "", ""]
    return _request("\r\n".join(lines), body, frozenset({"303", "400", "409", "429"}))


def queries(rng: random.Random) -> Input:
    value = rng.choice(
        (
            *(
                "",
                PLANTED["a query"],
                "-1",
                "1e9",
                "%D9%A3",
                "9" * 5000,
                "%00",
                "%ff",
                "a.b.c",
                "1.1.1",
                "%ed%a0%80",
                "x" * 5000,
                "...",
                "0",
            ),
            *(
                "a.ffffffffffffffff.x",
                "%20",
                "1;2",
                "'",
                "NaN",
                "٣",
                "z.7fffffffffffffff.00000000",
                "%",
                "%zz",
                "&&",
                "==",
            ),
        )
    )
    name = rng.choice(
        ("since", "history", "as", "before", "after", "limit", "invite", "%ff", "x" * 500, "since[]")
    )
    query = "&".join([f"{name}={value}"] * rng.choice((1, 2, 60, 300)))
    if rng.random() < 0.6:
        data = handshake(f"/ws/chat/queries/?{query[:30_000]}", plain=rng.random() < 0.2)
        return Input("request", data, frozenset({"101", "400", "404", "414", "429", "431"}))
    return _request(_get(f"/api/rooms/queries/messages?{query[:30_000]}", "Host: x"), allowed=WHATEVER)


PREFACE = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"


def _h2(kind: int, flags: int, stream: int, payload: bytes, length: int | None = None) -> bytes:
    size = len(payload) if length is None else length
    return size.to_bytes(3, "big") + bytes((kind, flags)) + stream.to_bytes(4, "big") + payload


def http2(rng: random.Random) -> Input:
    """HTTP/2 by prior knowledge: frames out of place, and anything behind the preface."""
    made = [PREFACE if rng.random() < 0.9 else PREFACE[: rng.randrange(1, 24)] + b"X"]
    if rng.random() < 0.8:
        made.append(_h2(4, 0, 0, b""))
    for _ in range(rng.randrange(1, 6)):
        what = rng.randrange(7)
        stream = rng.choice((0, 1, 2, 3, 2**31 - 1))
        if what == 0:  # :method GET, :scheme http, :path /, and an authority
            made.append(_h2(1, rng.choice((0, 4, 5)), stream, b"\x82\x86\x84\x41\x01x"))
        elif what == 1:
            made.append(_h2(1, 5, stream, rng.randbytes(rng.randrange(40))))
        elif what == 2:
            made.append(_h2(8, 0, stream, rng.choice((0, 1, 2**31 - 1, 2**32 - 1)).to_bytes(4, "big")))
        elif what == 3:
            made.append(_h2(4, rng.choice((0, 1)), stream, rng.randbytes(rng.choice((0, 5, 6, 12)))))
        elif what == 4:
            made.append(_h2(0, rng.choice((0, 1, 8)), stream, rng.randbytes(rng.randrange(20))))
        elif what == 5:
            made.append(_h2(3, 0, stream, rng.randbytes(4)))
        else:
            made.append(
                _h2(
                    rng.randrange(256),
                    rng.randrange(256),
                    stream,
                    rng.randbytes(9),
                    rng.choice((None, 2**24 - 1)),
                )
            )
    return Input("request", b"".join(made), frozenset({"h2", "400", "404", "ended", "left"}), open_ended=True)


KINDS = [
    Kind("half handshakes", half_handshakes, 4),
    Kind("malformed upgrade headers", upgrades, 5),
    Kind("odd request targets and Hosts", targets, 5),
    Kind("heads that contradict themselves", heads, 5),
    Kind("hostile forms", forms, 4),
    Kind("room names: ways out, encodings, bidi, hidden, look-alikes", rooms, 5),
    Kind("names of people of the same kinds", people, 4),
    Kind("queries", queries, 4),
    Kind("HTTP/2 out of place", http2, 4),
]
