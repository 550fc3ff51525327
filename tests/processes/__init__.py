"""`protoplane serve` and `dev` as processes that are signalled, killed and replaced while clients call."""
