"""Delivery: results go to their destinations, with retries, and nothing is claimed."""
