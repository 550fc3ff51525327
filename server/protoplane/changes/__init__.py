"""The change log: what was changed, by whom, in which call."""
