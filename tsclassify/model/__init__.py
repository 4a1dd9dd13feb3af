"""A trained model: its bundle on disk, linear heads, calibration, and exact explanations."""
