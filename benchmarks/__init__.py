"""Performance measurements, each a command: ``python -m benchmarks [NAME…]`` prints one JSON line a figure."""
