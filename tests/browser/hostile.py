"""Texts by which somebody might try to get a script, an element or an address of his own into a page.

Where one of them ran, it would call `boom`, which `watch.py` hears.
"""

from __future__ import annotations

from quartchat import names

OTHER = "http://other.example"

TEXTS: dict[str, str] = {
    text: text
    for text in (
        # Elements that run something, or load it.
        "<script>boom()</script>",
        "<SCRIPT SRC=//other.example/x.js></SCRIPT>",
        "<script\x0ctype=module>boom()</script\n>",
        "<scr<script>ipt>boom()</scr</script>ipt>",
        "<img src=x onerror=boom()>",
        '<img src="x" onerror="boom()" alt="',
        "<img/src=x/onerror=boom()>",
        "<svg onload=boom()>",
        "<svg><script>boom()</script></svg>",
        "<svg><animate onbegin=boom() attributeName=x dur=1s>",
        "<svg><a xlink:href=javascript:boom()><text y=20>x</text></a></svg>",
        "<svg><use href='data:image/svg+xml,<svg onload=boom()>#x'/></svg>",
        "<math><mi href=javascript:boom()>x</mi></math>",
        "<math><mtext><table><mglyph><style><img src=x onerror=boom()>",
        "<iframe src=javascript:boom()></iframe>",
        '<iframe srcdoc="<script>parent.boom()</script>"></iframe>',
        "<object data=javascript:boom()></object>",
        "<embed src=//other.example/x.swf>",
        "<video><source onerror=boom()></video>",
        "<audio src=x onerror=boom()>",
        "<details open ontoggle=boom()>",
        "<input autofocus onfocus=boom()>",
        "<select autofocus onfocus=boom()>",
        "<body onload=boom() onpageshow=boom()>",
        "<marquee onstart=boom()>",
        "<div style=animation-name:rise onanimationstart=boom()>",
        "<template><script>boom()</script></template>",
        "<portal src=//other.example></portal>",
        # Elements that change the page, or where it leads.
        f"<base href={OTHER}/>",
        f'<meta http-equiv=refresh content="0;url={OTHER}">',
        f"<link rel=stylesheet href={OTHER}/x.css>",
        f"<style>@import '{OTHER}/x.css'; body {{ display: none }}</style>",
        f"<form action={OTHER}><button>Enter</button>",
        "<p style=position:fixed;inset:0;background:red>over everything</p>",
        '<div id="chat-message-input">',
        "<img name=body><form id=composer><input name=elements>",
        "</div></article></body></html>",
        "</bdi></h1><h1>another</h1>",
        # Out of where the text stands.
        '"><script>boom()</script>',
        "'><script>boom()</script>",
        '" onmouseover="boom()" x="',
        "' onfocus=boom() tabindex=1 x='",
        "</textarea><script>boom()</script>",
        "</title><script>boom()</script>",
        "</noscript><script>boom()</script>",
        "</style><script>boom()</script>",
        "</script><script>boom()</script>",
        "<!--<script>",
        "--><script>boom()</script>",
        "<![CDATA[<script>boom()</script>]]>",
        "]]><script>boom()</script>",
        '{"__proto__": {"boom": 1}}',
        '\\u003cscript\\u003eboom()\\u003c/script\\u003e\\"}]',
        # Addresses.
        "javascript:boom()",
        "JaVaScRiPt:boom()",
        "java\tscript:boom()",
        " javascript:boom()",
        "\x01javascript:boom()",
        "&#106;avascript:boom()",
        "javascript&colon;boom()",
        "data:text/html,<script>boom()</script>",
        "vbscript:boom()",
        "http\u017f://other.example",
        "//other.example/x",
        "[click](javascript:boom())",
        "![x](http-not://other.example/x.png)",
        "<javascript:boom()>",
        # Templates and replacements.
        "{{7*7}}",
        "{% print(1) %}{{ config }}",
        "${boom()} #{boom()} <%= boom() %>",
        "$& $1 $` %s {n} {a}|{b}".replace("`", ""),
        "{{constructor.constructor('boom()')()}}",
        "__proto__",
        "constructor",
        # Encodings of what could become a tag later.
        "&lt;script&gt;boom()&lt;/script&gt;",
        "&#x3c;img src=x onerror=boom()&#x3e;",
        "%3Cscript%3Eboom()%3C/script%3E",
        "＜script＞boom()＜/script＞",
        "+ADw-script+AD4-boom()+ADw-/script+AD4-",
        "\u2028<script>\u2029boom()</script>",
        "\ufeff<b>x</b>",
        "\u202e>tpircs<",
        "a\u0300\u0301\u0302\u0303\u0304\u0305\u0306\u0307\u0308" * 8,
        "<b>" * 600,
    )
}
"""What somebody writes, and what stands there for it."""

TEXTS |= {
    "**<b onclick=boom()>x</b>**": "<b onclick=boom()>x</b>",
    "`</code><script>boom()</script>`": "</code><script>boom()</script>",
    "```</pre><script>boom()</script>```": "</pre><script>boom()</script>",
    "> <iframe src=javascript:boom()>": "<iframe src=javascript:boom()>",
    "**javascript:boom()**": "javascript:boom()",
}

LINKS: dict[str, str] = {
    f'{OTHER}/"onmouseover="boom()': f"{OTHER}/",
    f"{OTHER}/<script>boom()</script>": f"{OTHER}/",
    f"{OTHER}/'onmouseover='boom()": f"{OTHER}/'onmouseover='boom()",
    "http://javascript:boom()@other.example/": "http://javascript:boom()@other.example/",
    f"[x]({OTHER}/a)b": f"{OTHER}/a)b",
    f"HTTP://OTHER.example/{'a' * 2000}": f"{OTHER}/{'a' * 2000}",
}
"""Texts with an address in them, and where it leads."""

SHORT = (
    "<script>boom()",
    "<img src=x onerror=boom()>",
    '"><img src=x onerror=boom()>',
    "<svg onload=boom()>",
    "<iframe src=javascript:boom()>",
    "<details open ontoggle=boom()>",
    "<body onload=boom()>",
    "<base href=x>",
    "<plaintext>",
    "<style>*{display:none}",
    "<textarea>",
    '" onmouseover="boom()" x="',
    "' onfocus=boom() autofocus x='",
    "<!--",
    "-->",
    "]]>",
    "javascript:boom()",
    "&lt;b&gt;",
    "&#60;b&#62;",
    "%3Cb%3E",
    "%2e%2e%2fsession",
    "..;a",
    "{{7*7}}",
    "${boom()}",
    "$& $1 {a} {n}|{b}",
    "__proto__",
    "constructor",
    "hasOwnProperty",
    "(.*)+[a-",
    "\\",
    "?next=x&lang=ko#x",
    "null",
)
"""Names of people and of rooms."""

assert len(TEXTS) + len(LINKS) >= 60
assert all(names.person_name(name) == name == names.room_name(name) for name in SHORT)
