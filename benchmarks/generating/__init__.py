"""The parts of benchmarks/generation.py, one question each."""
