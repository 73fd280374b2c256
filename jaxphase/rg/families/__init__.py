"""Renormalization of a trained family: its models are halved again and again, and their couplings are followed."""
