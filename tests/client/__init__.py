"""The Python client package, against a real server."""
