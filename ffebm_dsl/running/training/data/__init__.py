"""Data sets: read, validated before use, and converted to batches of tensors."""

from ffebm_dsl.running.training.data.dataset import Data, Dataset, Normalisation, load

__all__ = ["Data", "Dataset", "Normalisation", "load"]
