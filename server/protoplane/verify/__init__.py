"""A behavioural suite of the AIPs for any gRPC server with reflection: it calls, looks at what comes back, and cleans up."""
