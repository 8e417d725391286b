"""Several engines instead of one: what routing keeps of the reuse, and how evenly it loads them."""
