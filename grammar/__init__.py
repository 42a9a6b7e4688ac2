"""The grammar of the ffe language: ``ffe.lark`` and nothing else."""
