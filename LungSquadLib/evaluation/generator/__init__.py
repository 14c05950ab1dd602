"""The evaluation of generated images."""
