"""What can be known about an uploaded photo without decoding it."""
