"""What is measured or trained once and stands in the library as numbers or weights."""
