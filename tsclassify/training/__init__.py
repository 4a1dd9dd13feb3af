"""Fit a model: rows, teacher, heads, source heads, calibration and operating points, from one configuration."""
