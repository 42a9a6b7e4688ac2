"""The command line: one file per command, each thin.

Nothing here imports torch, numpy or h5py at module level: a command loads what it needs
when it runs, so that ``--help``, ``show`` and ``check --static`` stay instant.
"""
