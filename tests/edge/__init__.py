"""Tests of the edge, through a real port: codes, details, reflection, health, the end of a server."""
