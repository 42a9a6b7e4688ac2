"""Data sets: read, validated before use, and converted to batches of tensors."""

from ffebm_dsl.running.training.data.dataset import Data, Dataset, load
from ffebm_dsl.running.training.data.spec_data import data_of

__all__ = ["Data", "Dataset", "data_of", "load"]
