"""System 003: an input pipeline that keeps the device busy, and training on several processes or devices."""
