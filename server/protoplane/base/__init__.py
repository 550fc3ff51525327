"""What every room stands on: faults, limits, settings, the clock, deadlines, observations."""
