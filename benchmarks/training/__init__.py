"""The parts of benchmarks/training_throughput.py, one question each."""
