"""The version of this package, below everything, so that whatever states it imports nothing else."""

__version__ = "0.1.0"
