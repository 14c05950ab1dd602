"""Images that models make: sampled from nothing, or painted into a CT."""
