"""Handlers and what they stand on, from inside."""
