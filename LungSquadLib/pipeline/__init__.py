"""What the command line, the worker and Slicer run: cases, batches, trainings with pages."""
