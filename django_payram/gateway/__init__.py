"""PayRam's HTTP API and nothing else."""
