"""What a file may cost: bounds on pixels, bytes, columns and seconds, and what keeps to them."""
