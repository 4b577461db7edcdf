"""Replay a conversation through a running chat: `python -m quartchat.replay FILE --url URL --room R`.

conversation    what was said, by whom and when: reads logs, knows nothing of the network
client          one speaker: a correct client of `quartchat.v1` over all its reconnects
play            everybody together, in the conversation's order
verify          what a late reader finds, against what was sent
"""
