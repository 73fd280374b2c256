"""What the pages take from the program itself."""
