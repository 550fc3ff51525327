"""Tests of the base room: settings, secrets, log lines."""
