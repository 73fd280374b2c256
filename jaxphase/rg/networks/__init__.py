"""Coarse-graining of trained networks: fewer units, coarser space, and the couplings of the result."""
