"""Results in English: sentences, paragraphs and tables made from numbers alone."""
