<<<<<<< HEAD
"""Images made by models: whole ones, and tumours painted into a CT."""
=======
"""Images that models make, and what shows them."""
>>>>>>> wt-slices
