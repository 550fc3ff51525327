"""The conformance suite of Connect, in gRPC mode, against the server that Protoplane is."""
