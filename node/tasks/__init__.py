"""The work that goes on in the background: each task is one object with initialize, loop(now) and shutdown."""
