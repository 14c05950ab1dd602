"""Training of the network that describes nodules as radiologists do."""
