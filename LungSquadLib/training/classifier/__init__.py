"""Training of the classifier on crops of CT."""
