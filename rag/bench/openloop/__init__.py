"""Open-loop load: requests come when they come, whether or not earlier ones have been answered."""
