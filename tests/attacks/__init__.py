"""What a hostile connection can do to a server, and what it must not do to the connections of others."""
