"""The files of data sets: which there are, fetching, verifying and reading them. No torch.

``catalogue`` and ``places`` are plain data and paths, and import nothing heavy.
"""
