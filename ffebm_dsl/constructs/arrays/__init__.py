"""Arrays of analog memory that hold weights."""
