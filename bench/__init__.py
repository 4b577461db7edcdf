"""QuartChat beside its peers, measured on one machine: `make bench`, and docs/benchmarks.md."""
