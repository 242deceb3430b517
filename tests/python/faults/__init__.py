"""What holds when things break: one module for each part of `docs/faults.md`."""
