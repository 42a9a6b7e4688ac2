"""The files of data sets: which there are, and fetching, verifying and reading them. No torch.

``places`` has plain data and paths only, and imports nothing heavy.
"""
