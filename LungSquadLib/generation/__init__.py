"""Images that models make, and what shows them."""
