"""Durable state: what was received, what became of it, where it went."""
