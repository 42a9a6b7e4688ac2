"""What losses take."""

from ffebm_dsl.language.registry import Kind, Parameter

ENDS = (
    Parameter("prediction", Kind.PORT, "the readout, or a block's output"),
    Parameter("target", Kind.PORT, "the model's target"),
)
