"""The `protoplane` command: one module a subcommand, and what they are made of."""
