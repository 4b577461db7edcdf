"""People with an account elsewhere: who a provider (OpenID Connect) or a trusted proxy says somebody is.

`person` is pure and always there. `provider` and `routes` are imported only where a provider is configured;
what they need comes with the extra `oidc`.
"""
