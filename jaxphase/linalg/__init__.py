"""Small dense solvers made of products and sums alone."""
