"""The checks, by topic. Put together in `brokers.conformance.suite`."""
