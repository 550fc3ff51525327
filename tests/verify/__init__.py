"""`protoplane verify`: against our own server, and against servers that are not ours and are wrong on purpose."""
