"""How good a score is: from a table of labels and scores to numbers, figures, and a page."""
