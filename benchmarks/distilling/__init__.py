"""The parts of benchmarks/distillation.py, one question each."""
