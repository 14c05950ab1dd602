"""Pages and figures of an integration network's evaluation."""
