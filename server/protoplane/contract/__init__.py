"""What the protos say: loaded, judged and frozen before anything is served."""
