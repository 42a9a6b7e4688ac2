"""Trained networks as single files: safetensors with their spec, ONNX."""
