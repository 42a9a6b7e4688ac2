"""The files of data sets: which there are, fetching, verifying and reading them. No torch.

``places`` is plain data and paths, and imports nothing heavy.
"""
