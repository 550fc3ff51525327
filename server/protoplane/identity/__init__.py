"""Who calls: credentials become a Principal."""
