"""The constructs that ffebm itself brings: a folder for each table, a file for each construct."""
