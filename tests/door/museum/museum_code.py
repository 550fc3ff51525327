"""What the museum's contract cannot say."""
