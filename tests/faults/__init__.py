"""Faults provoked for real."""
