"""The documentation site: what MkDocs makes of docs/, and of the tree itself."""
