"""Benchmarks: measured beside a peer or against a stated bound, in one run; `make bench` writes docs/benchmarks.md."""
