"""The gRPC edge: the only room that sees a gRPC context."""
