"""Running a network: data sets, training, records and checkpoints."""
