"""Pages and figures of a classifier's evaluation."""
