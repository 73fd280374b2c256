"""Phenomenological renormalization of activations: units are grouped by how they correlate, and compared with units
that have no more than their correlations."""
