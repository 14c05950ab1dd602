"""Inference: everything that runs a trained model."""
