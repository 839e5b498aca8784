"""Is it still good: evaluation sets, judges, calibration with a guarantee, shadow calls, hold-out."""
