"""The parameter of ops that join two tensors."""

from ffebm_dsl.language.registry import Kind, Parameter

PORT = Parameter("port", Kind.PORT, "port that is joined with the input of the op")
