"""Training of the inpainting network on crops of CT."""
