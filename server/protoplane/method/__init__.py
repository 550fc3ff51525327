"""RPCs compiled to handlers, and what happens inside a call."""
