"""``solver = anderson``."""

from ffebm_dsl.language.registry import Construct, Kind, Parameter
from ffebm_dsl.language.registry.parameters import AT_LEAST_ONE

CONSTRUCT = Construct(
    "anderson",
    "each sweep starts at a mixture of earlier ones that shortens the way",
    (Parameter("memory", Kind.INT, "differences of sweeps that are kept", 5, AT_LEAST_ONE),),
    equation="x[k+1] = g[k] - sum over j of c[j] (g[j+1] - g[j]), g[k] the sweep of x[k], "
    "c = argmin |f[k] - sum over j of c[j] (f[j+1] - f[j])|, f[k] = g[k] - x[k]",
    source="Anderson 1965 (J. ACM 12); Walker and Ni 2011 (SIAM J. Numer. Anal. 49)",
    deviations=(
        "per sample, from |f| / |g| < 0.1 on; where f does not fall along the way or |f| grows, "
        "the history is dropped and plain sweeps follow",
    ),
)
