"""Renormalization of a trained family: its models halved again and again, and what flows."""
