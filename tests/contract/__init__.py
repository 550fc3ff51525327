"""The contract room: loading, linting, names and validation."""
