"""Through the public door: a real server, a real port, generated stubs."""
