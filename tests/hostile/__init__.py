"""Whatever anybody may send: a campaign of hostile inputs (`python -m tests.hostile`), and conformance."""
