"""Fuzz targets: bytes from a seed in, no crash, no hang, no growth out. ``python -m tests.fuzz`` runs them long."""
