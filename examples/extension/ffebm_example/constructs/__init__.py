"""A folder for each table of ffebm, a file for each construct."""
